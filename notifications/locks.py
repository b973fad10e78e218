"""Locks on files, which the kernel lets go with their process. Where that of a follower is, and who holds it."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from notifications.conf import conf
from notifications.folders import make_private


def take(path: Path) -> int | None:
    """A descriptor that holds the lock of a file, made where it is missing, until it is closed; None: somebody has it.

    Raises OSError.
    """
    make_private(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Whether the lock of a file could be taken; it is held in the block. Raises OSError."""
    descriptor = take(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


class Holder(NamedTuple):
    """`held` is None where this process may not look; `pid` where the holder has no number."""

    held: bool | None
    pid: int | None = None


def path_of(key: tuple[str, str, str]) -> Path:
    """The lock of a position's key (machine, journal, channel)."""
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()
    return conf.state_dir / "locks" / f"{key[2]}-{digest[:12]}"


def holder(key: tuple[str, str, str]) -> Holder:
    """Who follows the channel on this machine."""
    try:
        descriptor = os.open(path_of(key), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Holder(held=False)
    except OSError:
        return Holder(held=None)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # for a moment only: nobody may find it taken
    except BlockingIOError:
        text = os.read(descriptor, 20).decode("ascii", "replace").strip()
        return Holder(held=True, pid=int(text) if text.isdigit() else None)
    finally:
        os.close(descriptor)
    return Holder(held=False)
