"""How both lanes are doing: for `proppy_status`, /metrics and the admin."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from notifications.models import FailedDelivery, Loss, Position, RawPayload, State
from notifications.spool import spool

#: Counting stops here: a long queue must not make its status slow.
COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel's position. `lag`: seconds since the last entry it passed was written."""

    channel: str
    journal: str
    machine: str
    lag: float | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """`payloads` by state, without those that are done; counts stop at COUNTED."""

    payloads: dict[str, int]
    oldest_waiting: float | None
    spooled: int
    spooled_for: float | None
    channels: list[ChannelStatus]
    failed_deliveries: int
    losses: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status() -> Status:
    """The state of this machine's lanes and of the database behind them. Raises what the database raises."""
    now = timezone.now()
    waiting = spool().waiting()
    oldest = RawPayload.objects.filter(state=State.RECEIVED, next_attempt_at__lte=now).order_by("next_attempt_at")
    arrived = oldest.values_list("next_attempt_at", flat=True).first()
    return Status(
        payloads={state.value: _count(RawPayload.objects.filter(**_waiting(state))) for state in _STATES},
        oldest_waiting=(now - arrived).total_seconds() if arrived else None,
        spooled=len(waiting),
        spooled_for=time.time() - waiting[0].stat().st_mtime if waiting else None,
        channels=[_channel(position, now) for position in Position.objects.order_by("channel", "journal")],
        failed_deliveries=_count(FailedDelivery.objects.all()),
        losses=_count(Loss.objects.all()),
    )


_STATES: Final = (State.RECEIVED, State.PROCESSING, State.RETRYING, State.DEAD, State.QUARANTINED)


def _waiting(state: State) -> dict[str, Any]:
    """Conditions that the partial indexes serve."""
    return (
        {"state": state}
        if state in {State.DEAD, State.QUARANTINED}
        else {
            "state": state,
            "next_attempt_at__isnull": False,
        }
    )


def _count(rows: Any) -> int:
    return int(rows.order_by()[:COUNTED].count())


def _channel(position: Position, now: datetime) -> ChannelStatus:
    lag = (now - position.entry_time).total_seconds() if position.entry_time else None
    return ChannelStatus(position.channel, position.journal, position.machine, lag, position.delivered_at)
