"""How both lanes are doing: for `proppy_status` and /metrics."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import Error
from django.db.models import Sum
from django.utils import timezone

from notifications.deadline import deadline
from notifications.follow.channel_status import ChannelStatus, channel_statuses, failed_by_channel, lost_by_channel
from notifications.follow.lag import lags
from notifications.models import Loss, Position, RawPayload, Refusal, State
from notifications.raw import disk, store
from notifications.raw.breaker import is_open_here
from notifications.raw.spool import spool

#: Counting stops here: a long queue must not make its status slow.
COUNTED: Final = 100_000
#: Seconds after which a PostgreSQL that does not answer is away.
LONGEST: Final = 10.0
#: What is not done and not stuck, which one partial index serves; the others have an index of their own.
WAITING: Final = (State.RECEIVED, State.PROCESSING, State.RETRYING)
STUCK: Final = (State.DEAD, State.QUARANTINED)


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """`payloads` by state, without those that are done; these counts stop at COUNTED. Times are seconds.

    `failed`: failed deliveries by channel; `failed_again` of them all wait to be sent again. `losses` are records, of
    `lost_events` events and, if `lost_more`, an unknown number besides. `refused`: entries that looked like events, by
    reason.
    """

    payloads: dict[str, int]
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
    """Payloads in this machine's spool, and whether they go there now: `breaker_open` says that some process of the
    machine found the database failing, of late.

    `set_aside`: what cannot be imported and wants somebody to look at it. `bytes` of `max_bytes` are taken.
    """

    waiting: int
    oldest: float | None
    set_aside: int
    bytes: int
    max_bytes: int
    breaker_open: bool


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """Of the state directory. `free`: bytes, None where nobody can say. `low`: intake takes nothing that goes there."""

    free: int | None
    low: bool


@dataclass(frozen=True, slots=True)
class Status:
    """`database` is None while it is away."""

    database: DatabaseStatus | None
    spool: SpoolStatus
    disk: DiskStatus

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status(*, lag_seconds: float = 0.0) -> Status:
    """The state of this machine's spool and of the database. Raises OSError for a spool that cannot be read.

    `lag_seconds`: how long the journal may be read to count what channels are behind; 0 does not look.
    """
    return Status(_database(lag_seconds), _spool(), _disk())


def _database(lag_seconds: float) -> DatabaseStatus | None:
    try:
        with deadline(LONGEST + lag_seconds):
            return _database_now(timezone.now(), lag_seconds)
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


def _disk() -> DiskStatus:
    return DiskStatus(disk.free_bytes(), disk.state_is_low() or disk.database_is_low(store.connection()))


def _count(rows: Any) -> int:
    return int(rows.order_by()[:COUNTED].count())
