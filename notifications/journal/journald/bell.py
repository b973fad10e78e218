"""Wakes `journalctl -f` at each new entry. journald itself wakes it only every 250 ms (docs/facts.md).

`journalctl --directory=FOLDER` reads the journal folders that are linked in FOLDER. It also watches FOLDER, and reads
on when its modification time changes. So the bell changes that time.
"""

import logging
import os
import select
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Final

from notifications.journal.journald.file_headers import Heads
from notifications.journal.journald.stored_entries import journal_paths
from notifications.utils.forks import renew_after_fork
from notifications.utils.private_folders import make_private

logger = logging.getLogger(__name__)

#: Seconds between two looks at the files: while entries come, after BUSY seconds without any, and after IDLE seconds.
_LOOK_BUSY: Final = 0.005
_LOOK_IDLE: Final = 0.015
_LOOK_QUIET: Final = 0.07
_BUSY: Final = 0.2
_IDLE: Final = 2.0
#: Files that are looked at this often. More files are looked at less often.
_FILES: Final = 2
#: Seconds between two rings.
_PAUSE: Final = 0.02


class Bell:
    """Wakes all journalctl processes which follow one namespace through `folder`."""

    def __init__(self, namespace: str, folder: Path) -> None:
        #: For `journalctl --directory`.
        self.folder = folder
        self.users = 0
        self._heads = Heads(namespace)
        self._changed_at = self._rung_at = self._due = self._pause = 0.0

    def look(self, now: float) -> float:
        """Rings if there may be new entries. Returns when to look again, by the monotonic clock."""
        if now < self._due - self._pause / 2:  # if more of its pause is over, this waking of the thread serves it too
            return self._due
        if self._heads.changed(now):
            self._changed_at = now
        if self._rung_at < self._changed_at and now - self._rung_at >= _PAUSE:
            with suppress(OSError):  # somebody removed it: journald wakes them, later
                os.utime(self.folder)
            self._rung_at = now
        silence = now - self._changed_at
        look = _LOOK_BUSY if silence < _BUSY else _LOOK_IDLE if silence < _IDLE else _LOOK_QUIET
        self._pause = look * max(len(self._heads) / _FILES, 1)
        self._due = now + self._pause
        return self._due

    def close(self) -> None:
        """For the thread that looks; also in a forked child, which has no such thread."""
        self._heads.close()


class Bells:
    """The bells of this process, one for each folder of links. One thread looks for all of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._bells: dict[Path, Bell] = {}
        #: Readable if a bell came or went. The thread closes it.
        self._changed: int | None = None
        renew_after_fork(self)

    def after_fork(self) -> None:
        for bell in self._bells.values():
            bell.close()
        if self._changed is not None:
            os.close(self._changed)
        self._lock, self._bells, self._changed = Lock(), {}, None

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
            bell = self._bells.get(folder)
            if bell is None:
                bell = self._bells[folder] = Bell(namespace, folder)
                self._announce()
            bell.users += 1
        return bell

    def give_back(self, bell: Bell) -> None:
        """Call it once the journalctl that uses the bell has ended."""
        with self._lock:
            bell.users -= 1
            if not bell.users and self._bells.get(bell.folder) is bell:  # in a forked child it is not
                del self._bells[bell.folder]
                self._announce()

    def _announce(self) -> None:
        """Tells the thread that a bell came or went. Starts it if there is none."""
        if self._changed is None:
            self._changed = os.eventfd(0, os.EFD_CLOEXEC)
            Thread(target=self._run, args=[self._changed], name="bells", daemon=True).start()
        os.eventfd_write(self._changed, 1)

    def _run(self, changed: int) -> None:
        poller = select.poll()
        poller.register(changed, select.POLLIN)
        bells = self._renewed([], changed)
        while bells:
            now = time.monotonic()
            due = min([bell.look(now) for bell in bells])
            if poller.poll((due - now) * 1000):
                bells = self._renewed(bells, changed)

    def _renewed(self, before: Iterable[Bell], changed: int) -> list[Bell]:
        """Waits for the announcement. Returns the bells that are there, and closes others. If none is left it ends."""
        with self._lock:
            os.eventfd_read(changed)
            bells = list(self._bells.values())
            if not bells:
                self._changed = None
                os.close(changed)
        for bell in before:
            if bell not in bells:
                bell.close()
        return bells


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
