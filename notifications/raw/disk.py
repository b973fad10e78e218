"""Whether the disk is nearly full. Looked at once a second at most."""

import os
import time
from pathlib import Path
from typing import Any, Final

from notifications.conf import conf

INTERVAL: Final = 1.0
#: By name of a file or folder: when to look again, and whether little was free.
_looked: dict[str, tuple[float, bool]] = {}


def database_is_low(db: Any) -> bool:
    """Whether a SQLite's disk has less than `conf.min_free_bytes` left. PostgreSQL knows of its own."""
    return db.vendor == "sqlite" and _is_low(str(db.settings_dict["NAME"]))


def state_is_low() -> bool:
    """Whether the disk of the state directory, which has the spool, has less than `conf.min_free_bytes` left."""
    return _is_low(str(conf.state_dir))


def free_bytes() -> int | None:
    """Bytes that are free on the disk of the state directory; None where nobody can say."""
    return _free(str(conf.state_dir))


def forget() -> None:
    """Look again at once."""
    _looked.clear()


def _is_low(name: str) -> bool:
    until, low = _looked.get(name, (0.0, False))
    now = time.monotonic()
    if now >= until:
        free = _free(name)
        low = free is not None and free < conf.min_free_bytes
        _looked[name] = (now + INTERVAL, low)
    return low


def _free(name: str) -> int | None:
    if name.startswith((":memory:", "file:")):
        return None
    path = Path(name)
    try:
        found = os.statvfs(next((folder for folder in (path, *path.parents) if folder.exists()), "/"))
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
