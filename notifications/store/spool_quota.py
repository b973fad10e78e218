"""How many bytes the spool holds: all processes of the machine know it without listing its files."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from notifications.utils.file_locks import release

#: Digits of each of the file's two numbers: the bytes, and how often they changed.
DIGITS: Final = 20
#: A full spool is counted again after INTERVAL seconds, or after PATIENCE times as long as counting took.
INTERVAL: Final = 1.0
PATIENCE: Final = 20.0


class SpoolFull(OSError):
    """The spool holds as many bytes as it may."""


class SpoolBytes:
    """A number in a file, changed under a lock that the kernel releases with its process.

    A killed process may leave it too high, but never too low by what has been stored. `count` counts again if there
    is no number yet, and before the spool is called full. A writer shares a lock on the folder from before its first
    change until the number includes it: a count that such a change has overtaken is dropped.
    """

    def __init__(self, path: Path, folder: Path, count: Callable[[], int]) -> None:
        self._path, self._folder, self._count = path, folder, count
        self._count_at = float("-inf")

    @contextmanager
    def reserved(self, size: int, limit: int) -> Iterator[None]:
        """Reserve `size` bytes for a file that the block writes; `release` them if it does not.

        Raises SpoolFull if the spool would hold more than `limit` bytes, and OSError.
        """
        with self.changing() as folder:
            try:
                self._add(size, limit)
            except SpoolFull:
                if time.monotonic() < self._count_at:
                    raise
                fcntl.flock(folder, fcntl.LOCK_UN)
                self.count_again()
                fcntl.flock(folder, fcntl.LOCK_SH)
                self._add(size, limit)
            yield

    @contextmanager
    def changing(self) -> Iterator[int]:
        """Prevent counting while files come or go. Raises OSError."""
        with _opened(self._folder, os.O_RDONLY | os.O_DIRECTORY) as folder:
            fcntl.flock(folder, fcntl.LOCK_SH)
            yield folder

    def release(self, size: int) -> None:
        """Subtract what was not written, or was removed. Raises OSError."""
        self._add(-size, None)

    def used(self) -> int:
        """The bytes in the spool; 0 if it was never used. Raises OSError."""
        try:
            with _opened(self._path, os.O_RDONLY) as number:
                return _read(number)[0] or 0
        except FileNotFoundError:
            return 0

    def count_again(self) -> None:
        """Set the number to the counted bytes, unless it changes meanwhile. Raises OSError."""
        started = time.monotonic()
        with suppress(BlockingIOError, FileNotFoundError):
            with self._unchanging() as number:
                before = _read(number)
            total = self._count()
            with self._unchanging() as number:
                used, changes = _read(number)
                if (used, changes) == before:
                    _write(number, total, changes + 1)
        now = time.monotonic()
        self._count_at = now + max(INTERVAL, PATIENCE * (now - started))

    def _add(self, size: int, limit: int | None) -> None:
        with self._locked() as number:
            used, changes = _read(number)
            if used is None:
                used = self._count()
            if limit is not None and used + size > limit:
                raise SpoolFull(f"the spool holds {used} of {limit} bytes")
            _write(number, max(0, used + size), changes + 1)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with _opened(self._path, os.O_RDWR | os.O_CREAT) as number:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield number

    @contextmanager
    def _unchanging(self) -> Iterator[int]:
        """The number, while no file comes or goes. Raises BlockingIOError if one does."""
        with _opened(self._folder, os.O_RDONLY | os.O_DIRECTORY) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._locked() as number:
                yield number


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        release(descriptor)


def _read(number: int) -> tuple[int | None, int]:
    text = os.pread(number, 2 * DIGITS, 0)
    used, changes = text[:DIGITS], text[DIGITS:]
    return int(used) if used.isdigit() else None, int(changes) if changes.isdigit() else 0


def _write(number: int, used: int, changes: int) -> None:
    os.pwrite(number, b"%0*d%0*d" % (DIGITS, used, DIGITS, changes), 0)
