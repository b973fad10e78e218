"""Whether the disk is nearly full. Checked at most once a second."""

import os
import time
from pathlib import Path
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.conf import conf

INTERVAL: Final = 1.0
#: By name of a file or folder: when to check again, and whether it was low.
_looked: dict[str, tuple[float, bool]] = {}


def database_is_low(db: BaseDatabaseWrapper) -> bool:
    """Whether SQLite's disk has less than `conf.min_free_bytes` left. PostgreSQL watches its own."""
    return db.vendor == "sqlite" and _is_low(_file_of(db))


def state_is_low() -> bool:
    """Whether the disk of the state directory (the spool) has less than `conf.min_free_bytes` left."""
    return _is_low(str(conf.state_dir))


def free_bytes() -> int | None:
    """Free bytes on the disk of the state directory; None if unknown."""
    return _free(str(conf.state_dir))


def database_free_bytes(db: BaseDatabaseWrapper) -> int | None:
    """Free bytes on SQLite's disk; None for other databases, or if unknown."""
    return _free(_file_of(db)) if db.vendor == "sqlite" else None


def is_shared(db: BaseDatabaseWrapper) -> bool:
    """Whether SQLite's file and the state directory are on one disk."""
    if db.vendor != "sqlite" or is_in_memory(db):
        return False
    try:
        return _there(_file_of(db)).stat().st_dev == _there(str(conf.state_dir)).stat().st_dev
    except OSError:
        return False


def is_in_memory(db: BaseDatabaseWrapper) -> bool:
    """Whether a SQLite database is no file. Several threads may share its one connection."""
    return _is_in_memory(_file_of(db))


def forget() -> None:
    """Check again at once."""
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
    if _is_in_memory(name):
        return None
    try:
        found = os.statvfs(_there(name))
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _file_of(db: BaseDatabaseWrapper) -> str:
    return str(db.settings_dict["NAME"])


def _is_in_memory(name: str) -> bool:
    return name.startswith((":memory:", "file:"))


def _there(name: str) -> Path:
    """The file or folder, or the nearest folder above it that exists."""
    path = Path(name)
    return next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
