"""Tells at once which workers of this machine died: each holds a lock on a file, which the kernel lets go with it.

What a dead worker had claimed need not wait for its lease. Workers of other machines are judged by their leases alone.
"""

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.folders import make_private

TOKEN: Final = re.compile(r"[0-9a-f]{32}")


def _folder() -> Path:
    return conf.state_dir / "workers"


class Presence:
    """A living worker. Its `token` stands for all that it claims."""

    def __init__(self) -> None:
        self.token = uuid.uuid4()
        make_private(_folder())
        unlocked = _folder() / f"{self.token.hex}.new"  # nobody may find it before it is locked
        self._descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        unlocked.rename(_folder() / self.token.hex)

    def excuse(self, is_excused: bool) -> None:
        """Whether what it has in hand is not to blame should it end now. Raises OSError."""
        os.ftruncate(self._descriptor, int(is_excused))

    def close(self) -> None:
        """Let go. The file stays: somebody looks then whether anything was left in hand."""
        os.close(self._descriptor)


@contextmanager
def departed() -> Iterator[list[uuid.UUID]]:
    """Tokens of workers of this machine that died. They are forgotten once the block has ended without an error."""
    locked = {path: descriptor for path in _paths() if (descriptor := _lock(path)) is not None}
    try:
        yield [uuid.UUID(path.name) for path in locked]
        for path in locked:
            path.unlink(missing_ok=True)
    finally:
        for descriptor in locked.values():
            os.close(descriptor)


def is_excused(token: uuid.UUID) -> bool:
    """Whether a worker among the departed has said that what it had in hand is not to blame."""
    try:
        return (_folder() / token.hex).stat().st_size > 0
    except FileNotFoundError:  # another process has just taken over from it
        return False


def _paths() -> list[Path]:
    try:
        return [path for path in _folder().iterdir() if TOKEN.fullmatch(path.name)]
    except FileNotFoundError:
        return []


def _lock(path: Path) -> int | None:
    """A descriptor that holds the file's lock, or None where its worker lives, or has just gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
