"""A machine may have no worker that stays, and drain its queue from cron: none is dead there."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.utils.private_folders import make_private

#: Seconds for which a drain says so.
LASTS: Final = 86_400.0


def note(command: str) -> None:
    """A drain has ended in order, and no worker of this command stays. Raises OSError."""
    path = _path(command)
    make_private(path.parent)
    path.touch(mode=0o600)


def forget(command: str) -> None:
    """A worker of this command starts, to stay. Raises OSError."""
    _path(command).unlink(missing_ok=True)


def is_drained(command: str) -> bool:
    """Whether a drain ended in order within LASTS, and no worker has started since then."""
    with suppress(OSError):
        return _path(command).stat().st_mtime > time.time() - LASTS
    return False


def _path(command: str) -> Path:
    return conf.state_dir / "heartbeats" / f"{command}.drained"
