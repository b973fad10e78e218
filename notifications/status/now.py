"""The status of both lanes, for `proppy_status` and /metrics."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Sum

from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.models import Loss, Position, RawPayload, Refusal, State
from notifications.models.states import IS_STUCK, STUCK, WAITING
from notifications.status.channels import ChannelStatus, channel_statuses, failed_by_channel, lost_by_channel
from notifications.status.lag import lags
from notifications.store import disk_space
from notifications.store.database_breaker import is_open_here
from notifications.store.new_payload import OTHER_BYTES
from notifications.store.spool import spool
from notifications.utils.folder_rights import explain
from notifications.utils.times import utc_now

#: Counting stops here: a long queue must not make the status slow.
COUNTED: Final = 100_000
#: Seconds after which a PostgreSQL that does not answer is away.
LONGEST: Final = 10.0


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """`payloads` by state, without the done ones; these counts stop at COUNTED. Times are seconds.

    `other_bytes`: quarantined payloads that came under a used key while the database could not be asked.
    `from_future`: payloads that were received while a clock was ahead.

    `failed`: failed deliveries by channel; `failed_again` of all wait to be sent again. `losses` are records: of
    `lost_events` events and, if `lost_more`, an unknown number besides. `refused`: refused entries by reason.
    """

    payloads: dict[str, int]
    other_bytes: int
    from_future: int
    oldest_waiting: float | None
    channels: list[ChannelStatus]
    failed_deliveries: int
    failed: dict[str, int]
    failed_again: int
    losses: int
    lost_events: int
    lost_more: bool
    refused: dict[str, int]


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
    """`database` is None while it is away.

    `spool` is None if it cannot be read; `spool_problem` says why, and what to do. `disk` has the state directory,
    `database_disk` SQLite's file; it is None for other databases. `one_disk`: both.
    """

    database: DatabaseStatus | None
    spool: SpoolStatus | None
    spool_problem: str
    disk: DiskStatus
    database_disk: DiskStatus | None
    one_disk: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status(*, lag_seconds: float = 0.0) -> Status:
    """The status of the database and of this machine's spool.

    `lag_seconds`: how long to read the journal for the channels' lag; 0 does not read it.
    """
    db = bounded_wait.connection()
    disk = DiskStatus(disk_space.free_bytes(), disk_space.state_is_low())
    try:
        found, problem = _spool(), ""
    except OSError as error:
        found, problem = None, explain(error) or str(error)
    return Status(_database(lag_seconds), found, problem, disk, _database_disk(db), disk_space.is_shared(db))


def _database(lag_seconds: float) -> DatabaseStatus | None:
    try:
        with deadline(LONGEST + lag_seconds):
            return _database_now(utc_now(), lag_seconds)
    except Error:
        return None


def _database_now(now: datetime, lag_seconds: float) -> DatabaseStatus:
    due = RawPayload.objects.filter(state=State.RECEIVED, next_attempt_at__lte=now).order_by("next_attempt_at")
    oldest = due.values_list("next_attempt_at", flat=True).first()
    waiting = RawPayload.objects.filter(next_attempt_at__isnull=False)
    payloads = {state.value: _count(waiting.filter(state=state)) for state in WAITING}
    payloads |= {state.value: _count(RawPayload.objects.filter(state=state)) for state in STUCK}
    positions = list(Position.objects.order_by("channel", "journal", "machine"))
    channels = channel_statuses(positions, now, lags(positions, seconds=lag_seconds) if lag_seconds else {})
    failed, lost = failed_by_channel(), lost_by_channel()
    return DatabaseStatus(
        payloads=payloads,
        other_bytes=_count(RawPayload.objects.filter(IS_STUCK, state=State.QUARANTINED, error__startswith=OTHER_BYTES)),
        from_future=_count(RawPayload.objects.from_future()),
        oldest_waiting=(now - oldest).total_seconds() if oldest else None,
        channels=list(channels.values()),
        failed_deliveries=sum(each.rows for each in failed.values()),
        failed={channel: each.rows for channel, each in failed.items()},
        failed_again=sum(each.again for each in failed.values()),
        losses=_count(Loss.objects.all()),
        lost_events=sum(each.events for each in lost.values()),
        lost_more=any(each.more for each in lost.values()),
        refused=dict(Refusal.objects.values_list("reason").annotate(Sum("count")).order_by("reason")),
    )


def _spool() -> SpoolStatus:
    ours = spool()
    found = ours.look()
    age = None if found.oldest is None else max(0.0, time.time() - found.oldest)
    return SpoolStatus(found.files, age, found.set_aside, found.bytes, ours.max_bytes, is_open_here())


def _database_disk(db: BaseDatabaseWrapper) -> DiskStatus | None:
    if db.vendor != "sqlite":
        return None
    return DiskStatus(disk_space.database_free_bytes(db), disk_space.database_is_low(db))


def _count(rows: Any) -> int:
    return int(rows.order_by()[:COUNTED].count())
