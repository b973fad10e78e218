"""Where the lock of a follower is, and who holds it."""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from notifications.conf import conf


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
