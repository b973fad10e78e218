"""Locks on files. The kernel releases them when their process ends.

It keeps one as long as any process has a copy of the descriptor. Programs that are started have none (O_CLOEXEC). A
forked child has: so it closes its copies, and `release` unlocks before it closes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from notifications.utils.forks import renew_after_fork
from notifications.utils.private_folders import make_private

#: Flags for a file or folder that exists: nothing is created.
EXISTING: Final = os.O_RDONLY


def take_lock(path: Path, flags: int = os.O_RDWR | os.O_CREAT, *, shared: bool = False) -> int:
    """Returns a descriptor that holds the lock until `release`. Creates the file and missing folders.

    Raises BlockingIOError if another process or descriptor has the lock, FileNotFoundError without O_CREAT, OSError.
    """
    if flags & os.O_CREAT:
        make_private(path.parent)
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def release(descriptor: int) -> None:
    """Unlocks and closes it, also if a child that was forked meanwhile has a copy. Not for such a child."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


class ProcessLock:
    """A lock that ends with this process: no forked child keeps it. `held` is its descriptor, None in such a child.

    Raises as `take_lock` does.
    """

    def __init__(self, path: Path) -> None:
        self.held: int | None = take_lock(path)
        renew_after_fork(self)

    def after_fork(self) -> None:
        descriptor, self.held = self.held, None
        if descriptor is not None:
            os.close(descriptor)  # the child's copy: the parent's lock stays

    def close(self) -> None:
        """Release it. May be called again."""
        descriptor, self.held = self.held, None
        if descriptor is not None:
            release(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Holds the lock of a file in the block. Yields False if another has it. Raises OSError."""
    try:
        lock = ProcessLock(path)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        lock.close()
