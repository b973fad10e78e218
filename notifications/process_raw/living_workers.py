"""Finds dead workers of this machine at once: each holds a lock on a file, which the kernel releases when it dies.

So the claims of a dead worker need not wait for their lease. For workers of other machines only the lease counts.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.utils.file_locks import ProcessLock, release, take_lock
from notifications.utils.worker_name import worker_name

TOKEN: Final = re.compile(r"[0-9a-f]{32}")


def _folder() -> Path:
    return conf.state_dir / "workers"


def _name_file(token: uuid.UUID) -> Path:
    return _folder() / f"{token.hex}.name"


class Presence:
    """Marks a worker as living. Its claims have its `token`."""

    def __init__(self) -> None:
        self.token = uuid.uuid4()
        unlocked = _folder() / f"{self.token.hex}.new"  # unlocked it would pass for that of a dead worker
        self._lock = ProcessLock(unlocked)
        with suppress(OSError):  # a full disk: it works without a name
            _name_file(self.token).write_text(f"{worker_name()}\n{conf.release}", encoding="utf-8")
        unlocked.rename(_folder() / self.token.hex)

    def excuse(self, is_excused: bool) -> None:
        """If excused, an end of the worker does not count as an attempt of its payload. Raises OSError."""
        if self._lock.held is not None:
            os.ftruncate(self._lock.held, int(is_excused))

    def close(self) -> None:
        """Unlock the file. It stays, so that the worker's claims are released."""
        self._lock.close()


@contextmanager
def departed() -> Iterator[list[uuid.UUID]]:
    """Yields tokens of workers of this machine that ended. They are forgotten unless the block raises."""
    locked = dict[Path, int]()
    for path in _paths():
        # Its worker lives, another process forgot it, or it is another user's: then the lease counts.
        with suppress(BlockingIOError, FileNotFoundError, PermissionError):
            locked[path] = take_lock(path, os.O_RDWR)
    try:
        yield [uuid.UUID(path.name) for path in locked]
        for path in locked:
            path.unlink(missing_ok=True)
            _name_file(uuid.UUID(path.name)).unlink(missing_ok=True)
    finally:
        for descriptor in locked.values():
            release(descriptor)


def lives_here(token: uuid.UUID | None) -> bool:
    """Whether a worker of this machine has the token, and is not known to have ended."""
    return token is not None and (_folder() / token.hex).exists()


def name_of(token: uuid.UUID | None) -> tuple[str, str]:
    """Name and release of a worker of this machine, also of one that ended; "" and "" if nobody knows."""
    if token is None:
        return "", ""
    try:
        name, _, release = _name_file(token).read_text(encoding="utf-8", errors="replace").partition("\n")
    except OSError:
        return "", ""
    return name, release


def is_excused(token: uuid.UUID) -> bool:
    """Whether `excuse(True)` was called for a departed worker."""
    try:
        return (_folder() / token.hex).stat().st_size > 0
    except FileNotFoundError:  # another process just forgot it
        return False


def _paths() -> list[Path]:
    try:
        return [path for path in _folder().iterdir() if TOKEN.fullmatch(path.name)]
    except FileNotFoundError:
        return []
