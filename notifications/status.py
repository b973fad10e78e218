"""How both lanes are doing: for `proppy_status`, /metrics and the admin."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import Error
from django.utils import timezone

from notifications.models import FailedDelivery, Loss, Position, RawPayload, State
from notifications.spool import spool

#: Counting stops here: a long queue must not make its status slow.
COUNTED: Final = 100_000
#: What is not done and not stuck, which one partial index serves; the others have an index of their own.
WAITING: Final = (State.RECEIVED, State.PROCESSING, State.RETRYING)
STUCK: Final = (State.DEAD, State.QUARANTINED)


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel's position. `lag`: seconds since the last entry it passed was written."""

    channel: str
    journal: str
    machine: str
    lag: float | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """`payloads` by state, without those that are done. Counts stop at COUNTED; times are seconds."""

    payloads: dict[str, int]
    oldest_waiting: float | None
    channels: list[ChannelStatus]
    failed_deliveries: int
    losses: int


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """Payloads in this machine's spool. `set_aside`: what cannot be imported and wants somebody to look at it."""

    waiting: int
    oldest: float | None
    set_aside: int


@dataclass(frozen=True, slots=True)
class Status:
    """`database` is None while it is away."""

    database: DatabaseStatus | None
    spool: SpoolStatus

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status() -> Status:
    """The state of this machine's spool and of the database. Raises OSError for a spool that cannot be read."""
    return Status(_database(), _spool())


def _database() -> DatabaseStatus | None:
    try:
        return _database_now(timezone.now())
    except Error:
        return None


def _database_now(now: datetime) -> DatabaseStatus:
    due = RawPayload.objects.filter(state=State.RECEIVED, next_attempt_at__lte=now).order_by("next_attempt_at")
    oldest = due.values_list("next_attempt_at", flat=True).first()
    waiting = RawPayload.objects.filter(next_attempt_at__isnull=False)
    payloads = {state.value: _count(waiting.filter(state=state)) for state in WAITING}
    payloads |= {state.value: _count(RawPayload.objects.filter(state=state)) for state in STUCK}
    return DatabaseStatus(
        payloads=payloads,
        oldest_waiting=(now - oldest).total_seconds() if oldest else None,
        channels=[_channel(position, now) for position in Position.objects.order_by("channel", "journal")],
        failed_deliveries=_count(FailedDelivery.objects.all()),
        losses=_count(Loss.objects.all()),
    )


def _spool() -> SpoolStatus:
    ours = spool()
    arrivals = ours.arrivals()
    return SpoolStatus(len(arrivals), time.time() - arrivals[0][0] if arrivals else None, ours.count_set_aside())


def _count(rows: Any) -> int:
    return int(rows.order_by()[:COUNTED].count())


def _channel(position: Position, now: datetime) -> ChannelStatus:
    lag = (now - position.entry_time).total_seconds() if position.entry_time else None
    return ChannelStatus(position.channel, position.journal, position.machine, lag, position.delivered_at)
