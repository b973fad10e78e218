"""The status of both lanes, for `proppy_status` and /metrics."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database import bounded_wait
from notifications.status.database import DatabaseStatus, ask
from notifications.store import disk_space
from notifications.store.database_breaker import is_open_here
from notifications.store.spool import spool
from notifications.utils.folder_rights import explain
from notifications.workers.heartbeat import Beat, beats


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """Payloads in this machine's spool. `breaker_open`: payloads go there now, since a process of the machine recently
    found the database failing.

    `set_aside`: files that cannot be imported and need an operator. `bytes` of `max_bytes` are used.
    """

    waiting: int
    oldest: float | None
    set_aside: int
    bytes: int
    max_bytes: int
    breaker_open: bool


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """`free`: bytes, None if unknown. `low`: intake stores nothing there."""

    free: int | None
    low: bool


@dataclass(frozen=True, slots=True)
class Status:
    """`database` is None while it is away, or too slow; `database_problem` says why.

    `workers`: the heartbeats of this machine, None if this user may not read them. `spool` is None if it cannot be
    read; `spool_problem` says why, and what to do. `disk` has the state directory, `database_disk` SQLite's file; it is
    None for other databases. `one_disk`: both.
    """

    database: DatabaseStatus | None
    database_problem: str
    database_is_away: bool
    workers: list[Beat] | None
    spool: SpoolStatus | None
    spool_problem: str
    disk: DiskStatus
    database_disk: DiskStatus | None
    one_disk: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status(*, lag_seconds: float = 0.0, whole: bool = True, has_answered: bool = False) -> Status:
    """The status of the database, of this machine's spool and of its workers.

    `lag_seconds`: how long to read the journal for the channels' lag; 0 does not read it. `whole`: also count what
    waits. `has_answered`: the database did, to the caller, a moment ago.
    """
    db = bounded_wait.connection()
    answer = ask(db, lag_seconds=lag_seconds, whole=whole, has_answered=has_answered)
    return replace(
        machine_status(),
        database=answer.status,
        database_problem=answer.problem,
        database_is_away=answer.is_away,
    )


def machine_status() -> Status:
    """What this machine knows without the database, which is not opened: as `status` while that is unknown."""
    db = bounded_wait.connection()
    try:
        found, problem = _spool(), ""
    except OSError as error:
        found, problem = None, explain(error) or str(error)
    return Status(
        database=None,
        database_problem="",
        database_is_away=False,
        workers=_workers(),
        spool=found,
        spool_problem=problem,
        disk=DiskStatus(disk_space.free_bytes(), disk_space.state_is_low()),
        database_disk=_database_disk(db),
        one_disk=disk_space.is_shared(db),
    )


def _workers() -> list[Beat] | None:
    try:
        return beats()
    except OSError:
        return None


def _spool() -> SpoolStatus:
    ours = spool()
    found = ours.look()
    age = None if found.oldest is None else max(0.0, time.time() - found.oldest)
    return SpoolStatus(found.files, age, found.set_aside, found.bytes, ours.max_bytes, is_open_here())


def _database_disk(db: BaseDatabaseWrapper) -> DiskStatus | None:
    if db.vendor != "sqlite":
        return None
    return DiskStatus(disk_space.database_free_bytes(db), disk_space.database_is_low(db))
