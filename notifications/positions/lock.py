"""One follower for each channel of a machine: it holds a lock, which the kernel releases when its process ends."""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from notifications.conf import conf
from notifications.positions.key import Key
from notifications.utils.file_locks import EXISTING, ProcessLock, release, take_lock


class Holder(NamedTuple):
    """`held` is None if this process may not read the lock; `pid` is None if the lock has no process id."""

    held: bool | None
    pid: int | None = None


def path_of(key: tuple[str, str, str]) -> Path:
    """The lock file of a key (machine, journal, channel)."""
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()
    return conf.state_dir / "locks" / f"{key[2]}-{digest[:12]}"


def holder(key: tuple[str, str, str]) -> Holder:
    """Returns who follows the channel on this machine."""
    path = path_of(key)
    try:
        release(take_lock(path, EXISTING, shared=True))  # released at once: a follower may be starting
    except BlockingIOError:
        text = _pid_text(path)
        return Holder(held=True, pid=int(text) if text.isdigit() else None)
    except FileNotFoundError:
        return Holder(held=False)
    except OSError:
        return Holder(held=None)
    return Holder(held=False)


def _pid_text(path: Path) -> str:
    return path.read_bytes()[:20].decode("ascii", "replace").strip()


#: More than one try, because holder() takes the lock for a moment.
ATTEMPTS: Final = 5


class AlreadyFollowed(Exception):
    """Another process follows this channel on this machine."""


class Lock:
    """Held while a channel is followed, until close() or the end of the process. Raises AlreadyFollowed."""

    def __init__(self, key: Key) -> None:
        path = path_of(key)
        for _ in range(ATTEMPTS):
            with suppress(BlockingIOError):
                self._lock = ProcessLock(path)
                break
            threading.Event().wait(0.02)
        else:
            pid = _pid_text(path) or "unknown"
            raise AlreadyFollowed(f"{key.channel} is followed already, by process {pid}. Stop that one first.")
        if self._lock.held is not None:
            os.ftruncate(self._lock.held, 0)
            os.write(self._lock.held, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        self._lock.close()
