"""The problems that `process_raw` watches for: what makes posts be refused, and a database that is away."""

import os
from collections.abc import Callable
from typing import Final

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.operations.watch import Problem
from notifications.store import disk_space
from notifications.store.spool import spool
from notifications.utils.sizes import size

#: Seconds for which the database must be away: a restart takes less.
AWAY: Final = 60.0
#: The part of its quota at which the spool is nearly full.
NEARLY: Final = 0.9


def problems(database_problem: Callable[[], str]) -> list[Problem]:
    """Those of this machine. `database_problem` returns what keeps process_raw from the database now, or ""."""
    host = os.uname().nodename
    return [
        Problem("database-disk", _database_disk, f"The database's disk on {host} has room again: posts are taken"),
        Problem("state-disk", _state_disk, f"The disk of STATE_DIR on {host} has room again"),
        Problem("spool-full", _spool, f"The spool on {host} has room again"),
        Problem(
            "database-away",
            lambda: "" if _database_disk() else database_problem(),
            f"process_raw on {host} can use the database again",
            patience=AWAY,
        ),
    ]


def _database_disk() -> str:
    db = bounded_wait.connection()
    if not disk_space.database_is_low(db):
        return ""
    left, least = size(disk_space.database_free_bytes(db) or 0), size(conf.min_free_bytes)
    return f"The database's disk on {os.uname().nodename} has {left} left: posts are refused (503) below {least}"


def _state_disk() -> str:
    if not disk_space.state_is_low() or disk_space.is_shared(bounded_wait.connection()):
        return ""
    left, least = size(disk_space.free_bytes() or 0), size(conf.min_free_bytes)
    host, folder = os.uname().nodename, conf.state_dir
    return (
        f"The disk of STATE_DIR ({folder}) on {host} has {left} left: below {least} posts are refused (503) while the"
        " database is away"
    )


def _spool() -> str:
    used, quota = spool().used(), spool().max_bytes
    if used < NEARLY * quota:
        return ""
    return (
        f"The spool on {os.uname().nodename} is nearly full, {size(used)} of {size(quota)}: then posts are refused"
        " (503) while the database is away"
    )
