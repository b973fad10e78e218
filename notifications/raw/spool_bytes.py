"""How many bytes the spool holds, known to all processes of the machine without a look at each file."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: Bytes of the number's file.
DIGITS: Final = 20
#: Seconds after which a full spool is counted again, or so many times as long as counting took.
INTERVAL: Final = 1.0
PATIENCE: Final = 20.0


class SpoolFull(OSError):
    """The spool holds as much as it may; the caller has nowhere to store."""


class SpoolBytes:
    """A number in a file, changed under a lock that the kernel lets go with its process.

    A process that is killed may leave it too high, never too low by what has been stored. `count` counts anew: where
    there is no number yet, and before a spool is called full.
    """

    def __init__(self, path: Path, count: Callable[[], int]) -> None:
        self._path, self._count = path, count
        self._count_at = float("-inf")

    def reserve(self, size: int, limit: int) -> None:
        """Add to the number before that much is written. Raises SpoolFull where it would be over `limit`, OSError."""
        try:
            self._add(size, limit)
        except SpoolFull:
            if time.monotonic() < self._count_at:
                raise
            self.count_again()
            self._add(size, limit)

    def release(self, size: int) -> None:
        """Take off what is not there, or not any more. Raises OSError."""
        self._add(-size, None)

    def count_again(self) -> None:
        """Set the number to what is really there, and what is reserved meanwhile. Raises OSError."""
        with self._locked() as descriptor:
            before = _read(descriptor)
        started = time.monotonic()
        total = self._count()
        now = time.monotonic()
        self._count_at = now + max(INTERVAL, PATIENCE * (now - started))
        with self._locked() as descriptor:
            after = _read(descriptor)
            added = after - before if after is not None and before is not None else 0
            _write(descriptor, total + max(0, added))

    def _add(self, size: int, limit: int | None) -> None:
        with self._locked() as descriptor:
            used = _read(descriptor)
            if used is None:
                used = self._count()
            if limit is not None and used + size > limit:
                raise SpoolFull(f"the spool holds {used} of {limit} bytes")
            _write(descriptor, max(0, used + size))

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> int | None:
    text = os.pread(descriptor, DIGITS, 0)
    return int(text) if text.isdigit() else None


def _write(descriptor: int, total: int) -> None:
    os.pwrite(descriptor, b"%0*d" % (DIGITS, total), 0)
