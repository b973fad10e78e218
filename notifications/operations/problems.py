"""The problems that `process_raw` watches for: what makes posts be refused, a database or journald that is away."""

import os
from collections.abc import Callable
from pathlib import Path
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
#: Seconds for which journald must be away: it is started again after 0.2 s.
DEAD: Final = 10.0
#: Anybody can see there which processes a unit has, without D-Bus (man systemd.unit).
UNITS: Final = Path("/sys/fs/cgroup/system.slice")
BOOTED: Final = Path("/run/systemd/system")
JOURNALD: Final = "journald://"


def problems(database_problem: Callable[[], str]) -> list[Problem]:
    """Those of this machine. `database_problem` returns what keeps process_raw from the database now, or ""."""
    host = os.uname().nodename
    return [
        Problem("database-disk", _database_disk, f"The database's disk on {host} has room again: posts are taken"),
        Problem("state-disk", _state_disk, f"The disk of NOTIFICATIONS_STATE_DIR on {host} has room again"),
        Problem("spool-full", _spool, f"The spool on {host} has room again"),
        Problem(
            "database-away",
            lambda: "" if _database_disk() else database_problem(),
            f"process_raw on {host} can use the database again",
            patience=AWAY,
        ),
        *_journald(host),
    ]


def _journald(host: str) -> list[Problem]:
    """systemd may have reported its end already: `proppy_alert` leaves the same mark, so here comes that it is over."""
    if not conf.journal_url.startswith(JOURNALD):
        return []
    namespace = conf.journal_url.removeprefix(JOURNALD)
    unit = f"systemd-journald@{namespace}.service" if namespace else "systemd-journald.service"
    down = f"{unit} on {host} does not run: events wait in the memory of the processes"
    return [Problem(unit, lambda: "" if _runs(unit) else down, f"{unit} on {host} runs again", patience=DEAD)]


def _runs(unit: str) -> bool:
    """Whether systemd has a process for it, or is not the one to ask."""
    if not BOOTED.is_dir() or not UNITS.is_dir():
        return True
    files = [UNITS / unit / "cgroup.procs", *UNITS.glob(f"*/{unit}/cgroup.procs")]
    return any(path.exists() and path.read_bytes() for path in files)


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
        f"The disk of NOTIFICATIONS_STATE_DIR ({folder}) on {host} has {left} left: below {least} posts are"
        " refused (503) while the database is away"
    )


def _spool() -> str:
    used, quota = spool().used(), spool().max_bytes
    if used < NEARLY * quota:
        return ""
    return (
        f"The spool on {os.uname().nodename} is nearly full, {size(used)} of {size(quota)}: then posts are refused"
        " (503) while the database is away"
    )
