"""Wakes `journalctl -f` at each new entry. journald itself wakes it only every 250 ms (docs/facts.md).

`journalctl --directory=FOLDER` reads the journal folders that are linked in FOLDER. It also watches FOLDER, and reads
on when its modification time changes. So the bell changes that time.
"""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

from notifications.journal.journald.file_headers import Heads
from notifications.journal.journald.stored_entries import journal_paths
from notifications.utils.forks import renew_after_fork
from notifications.utils.private_folders import make_private

logger = logging.getLogger(__name__)

#: Seconds between two looks at the files: while entries come, and after a second without any.
_LOOK_BUSY: Final = 0.005
_LOOK_IDLE: Final = 0.015
_BUSY: Final = 1.0
#: Files that are looked at this often. More files are looked at less often.
_FILES: Final = 2
#: Seconds between two rings.
_PAUSE: Final = 0.02


class Bell:
    """One thread that wakes all journalctl processes which follow one namespace through `folder`."""

    def __init__(self, namespace: str, folder: Path) -> None:
        #: For `journalctl --directory`.
        self.folder = folder
        self.users = 0
        self._heads = Heads(namespace)
        self._ended = Event()
        Thread(target=self._run, name=f"bell {folder.name}", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def forget(self) -> None:
        """In a forked child: the thread is the parent's."""
        self._heads.close()

    def _run(self) -> None:
        changed_at = rung_at = 0.0
        look = _LOOK_IDLE
        while not self._ended.wait(look * max(len(self._heads) / _FILES, 1)):
            now = time.monotonic()
            if self._heads.changed(now):
                changed_at = now
            if rung_at < changed_at and now - rung_at >= _PAUSE:
                with suppress(OSError):  # somebody removed it: journald wakes them, later
                    os.utime(self.folder)
                rung_at = now
            look = _LOOK_BUSY if now - changed_at < _BUSY else _LOOK_IDLE
        self._heads.close()


class Bells:
    """The bells of this process, one for each folder of links."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._bells: dict[Path, Bell] = {}
        renew_after_fork(self)

    def after_fork(self) -> None:
        for bell in self._bells.values():
            bell.forget()
        self._lock, self._bells = Lock(), {}

    def take(self, namespace: str, links: Path) -> Bell | None:
        """Returns the bell for a namespace, or None if there can be none. Call `give_back()` at the end.

        `links`: a private folder for links to the journal folders.
        """
        paths = journal_paths(namespace)
        if not paths:
            return None
        folder = links / paths[0].name
        try:
            _link(folder, paths)
        except OSError as error:
            logger.warning("%s cannot be used, so events are seen up to 0.4 s late: %s", folder, error)
            return None
        with self._lock:
            bell = self._bells[folder] = self._bells.get(folder) or Bell(namespace, folder)
            bell.users += 1
        return bell

    def give_back(self, bell: Bell) -> None:
        """Call it once the journalctl that uses the bell has ended."""
        with self._lock:
            bell.users -= 1
            if not bell.users:
                bell.end()
                if self._bells.get(bell.folder) is bell:  # in a forked child it is not
                    del self._bells[bell.folder]


bells: Final = Bells()


def _link(folder: Path, paths: list[Path]) -> None:
    """Prepares `folder` for journalctl. Raises OSError, also if another user owns it: its time could not be changed."""
    make_private(folder)
    os.utime(folder)
    for number, path in enumerate(paths, start=1):
        link = folder / f"{number:032x}"
        if path.is_dir() and not link.is_symlink():
            with suppress(FileExistsError):  # another process was faster
                link.symlink_to(path)
