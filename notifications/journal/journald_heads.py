"""The heads of the journal files that journald writes to. They change with every entry."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from notifications.journal.journald_state import journal_paths

#: Bytes of the header in all versions: how many entries there are, when the last one was written.
_HEAD = 272
#: Files that are looked at: system.journal, then those of users, of which a machine may have a thousand.
_FILES = 16
#: Seconds after which the files are opened anew: a rotation gives their names to others.
_OPEN_AFTER = 1.0


class Heads:
    """Of one namespace. The thread that looks at them owns them."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._opened_at = -_OPEN_AFTER
        self._files: list[int] = []
        self._seen: list[bytes] = []

    def __len__(self) -> int:
        return len(self._files)

    def changed(self, now: float) -> bool:
        """Whether there may be new entries since this was last asked. `now` is time.monotonic()."""
        if now - self._opened_at >= _OPEN_AFTER:
            self._open(now)
        try:
            seen = [os.pread(file, _HEAD, 0) for file in self._files]
        except OSError:  # a broken disk
            seen = []
        changed, self._seen = seen != self._seen, seen
        return changed

    def close(self) -> None:
        """They may be asked again."""
        while self._files:
            os.close(self._files.pop())

    def _open(self, now: float) -> None:
        """All of them, so that no removed file goes on using the disk."""
        self.close()
        self._opened_at = now
        active = (path for folder in journal_paths(self._namespace) for path in _active(folder))
        for path in islice(active, _FILES):
            with suppress(OSError):  # gone already, or not ours to read: journalctl has nothing of it either
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def _active(folder: Path) -> Iterator[Path]:
    """Without those that a rotation has sealed, whose names hold an @. None where the folder may not be listed."""
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".journal") and "@" not in name:
                yield folder / name
