"""The headers of the journal files that journald writes to. They change with each entry."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from notifications.journal.journald.stored_entries import journal_paths

#: Bytes that the header has in all versions. They hold the number of entries and the time of the last one.
_HEAD = 272
#: Files that are looked at: system.journal, then those of users. A machine may have a thousand of these.
_FILES = 16
#: Seconds after which the files are opened again, because a rotation gives their names to new files: at a change, as a
#: rotation is one, and without any.
_OPEN_AFTER = 1.0
_OPEN_ANYWAY = 10.0


class Heads:
    """Those of one namespace. For one thread."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._opened_at = -_OPEN_AFTER
        self._changed = True
        self._files: list[int] = []
        self._seen: list[bytes] = []

    def __len__(self) -> int:
        return len(self._files)

    def changed(self, now: float) -> bool:
        """Whether there may be new entries since the last call. `now` is time.monotonic()."""
        if now - self._opened_at >= (_OPEN_AFTER if self._changed else _OPEN_ANYWAY):
            self._open(now)
        try:
            seen = [os.pread(file, _HEAD, 0) for file in self._files]
        except OSError:  # a broken disk
            seen = []
        if seen == self._seen:
            return False
        self._seen, self._changed = seen, True
        return True

    def close(self) -> None:
        """`changed()` opens the files again."""
        while self._files:
            os.close(self._files.pop())

    def _open(self, now: float) -> None:
        """Opens all of them again, so no removed file keeps using the disk."""
        self.close()
        self._opened_at, self._changed = now, False
        active = (path for folder in journal_paths(self._namespace) for path in _active(folder))
        for path in islice(active, _FILES):
            with suppress(OSError):  # gone, or not readable: journalctl cannot read it either
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def _active(folder: Path) -> Iterator[Path]:
    """Without rotated files, which have an @ in their names. Empty if the folder is not readable."""
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".journal") and "@" not in name:
                yield folder / name
