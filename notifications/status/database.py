"""What the database says of both lanes, within a few seconds, or why it says nothing."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import Error, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, Sum

from notifications.database import bounded_wait
from notifications.database.bounded_counts import bounded_counts
from notifications.database.deadline import deadline
from notifications.database.fast_sql import fetch_all
from notifications.models import FailureGroup, Loss, Machine, Position, RawPayload, Refusal, State
from notifications.models.states import IS_STUCK, STUCK, WAITING
from notifications.positions.key import machine_id
from notifications.status.channels import ChannelStatus, channel_statuses, failed_by_channel, lost_by_channel
from notifications.status.lag import lags
from notifications.status.unseen import UnseenLosses, UnseenRefused, unseen_losses, unseen_refused
from notifications.store.new_payload import OTHER_BYTES
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.times import utc_now

#: Counting stops here: a long queue must not make the status slow, and still less the verdict.
COUNTED: Final = 100_000
FEW: Final = 1_000
#: Seconds after which a PostgreSQL that does not answer is away, or too slow. Connecting has its own limit
#: (connect_timeout).
LONGEST: Final = 2.0
#: Seconds that are left to answer for one that was slow to connect.
LEAST: Final = 0.5
#: Characters of an error.
LONGEST_ERROR: Final = 200


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """Another machine, as its process_raw told `seen` seconds ago: its own problems, and its workers' heartbeats."""

    machine: str
    host: str
    seen: float
    problems: list[dict[str, str]]
    workers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """`payloads` by state, without the done ones; these counts stop at `most`. Without the waiting ones, unless the
    `whole` status was asked for. Times are seconds.

    `dead_open`: dead payloads but those of muted and of resolved failure groups. `other_bytes`: quarantined payloads
    that came under a used key while the database could not be asked.
    `from_future`: payloads that were received while a clock was ahead.

    `failed`: failed deliveries by channel; `failed_again` of all wait to be sent again. `losses` are records: of
    `lost_events` events and, if `lost_more`, an unknown number besides. `refused`: refused entries by reason. Of both
    `unseen_losses` and `unseen_refused` are those that nobody has marked as seen. `clock_differs`: seconds by which
    PostgreSQL's clock is ahead. `machines`: the others that share the database.
    """

    most: int
    payloads: dict[str, int]
    dead_open: int
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
    unseen_losses: UnseenLosses
    refused: dict[str, int]
    unseen_refused: UnseenRefused
    clock_differs: float
    machines: list[MachineStatus]


class Answer(NamedTuple):
    """What the database says; `status` is None if it `is_away`, or has no answer in time. `problem`: why."""

    status: DatabaseStatus | None
    problem: str = ""
    is_away: bool = False


def ask(db: BaseDatabaseWrapper, *, lag_seconds: float, whole: bool) -> Answer:
    """Never raises. A connection that failed is closed: the next one to ask opens another."""
    is_away, until = True, time.monotonic() + LONGEST
    try:
        with deadline(LONGEST):
            answers(db)
        is_away = False  # from here on it may only be slow
        with deadline(max(LEAST, until - time.monotonic()) + lag_seconds):
            return Answer(_status(utc_now(), lag_seconds, whole=whole))
    except Error as error:
        if db.vendor == "postgresql" and not isinstance(error, ProgrammingError):
            db.close()
        problem = graphemes.first(f"{type(error).__name__}: {one_line(str(error))}", LONGEST_ERROR)
        return Answer(None, problem, is_away)


def answers(db: BaseDatabaseWrapper) -> None:
    """Raises database errors if it does not."""
    fetch_all(db, "SELECT 1", [])


def _status(now: datetime, lag_seconds: float, *, whole: bool) -> DatabaseStatus:
    most = COUNTED if whole else FEW
    due = RawPayload.objects.filter(state=State.RECEIVED, next_attempt_at__lte=now).order_by("next_attempt_at")
    oldest = due.values_list("next_attempt_at", flat=True).first()
    payloads, counts = _counts(now, most, whole=whole)
    positions = list(Position.objects.order_by("channel", "journal", "machine"))
    failed, lost = failed_by_channel(), lost_by_channel()
    behind = lags(positions, seconds=lag_seconds) if lag_seconds else {}
    channels = channel_statuses(positions, now, behind, failed, lost)
    return DatabaseStatus(
        most=most,
        payloads=payloads,
        dead_open=counts.dead_open,
        other_bytes=counts.other_bytes,
        from_future=counts.from_future,
        oldest_waiting=(now - oldest).total_seconds() if oldest else None,
        channels=list(channels.values()),
        failed_deliveries=sum(each.rows for each in failed.values()),
        failed={channel: each.rows for channel, each in failed.items()},
        failed_again=sum(each.again for each in failed.values()),
        losses=counts.losses,
        lost_events=sum(each.events for each in lost.values()),
        lost_more=any(each.more for each in lost.values()),
        unseen_losses=unseen_losses(),
        refused=dict(Refusal.objects.values_list("reason").annotate(Sum("count")).order_by("reason")),
        unseen_refused=unseen_refused(),
        clock_differs=clock_differs(bounded_wait.connection()),
        machines=[
            MachineStatus(each.machine, each.host, (now - each.seen_at).total_seconds(), each.problems, each.workers)
            for each in Machine.objects.exclude(machine=machine_id()).order_by("host", "machine")
        ],
    )


class _Counts(NamedTuple):
    """As in DatabaseStatus."""

    other_bytes: int
    from_future: int
    losses: int
    dead_open: int


def _counts(now: datetime, most: int, *, whole: bool) -> tuple[dict[str, int], _Counts]:
    """Of payloads by state, and of other rows. Two queries; a third where some groups are closed and very many dead."""
    waiting = RawPayload.objects.filter(next_attempt_at__isnull=False)
    by_state = {state.value: waiting.filter(state=state) for state in WAITING} if whole else {}
    by_state |= {state.value: RawPayload.objects.filter(IS_STUCK, state=state) for state in STUCK}
    others = [_of_other_bytes(most), RawPayload.objects.from_future(), Loss.objects.all()]
    closed, dead = _closed_groups(now), by_state[State.DEAD]
    if has_closed := closed.exists():
        few = dead.filter(pk__in=dead.order_by("-pk").values("pk")[:most])  # more than these are counted below
        others.append(few.exclude(failure__in=closed))
    found = bounded_counts([*by_state.values(), *others], most)
    payloads, counts = dict(zip(by_state, found, strict=False)), found[len(by_state) :]
    if not has_closed:
        counts.append(payloads[State.DEAD])
    elif payloads[State.DEAD] >= most:
        counts[-1] = _many_dead_open(closed, most)
    return payloads, _Counts(*counts)


def _closed_groups(now: datetime) -> Any:
    is_muted = Q(state=FailureGroup.State.MUTED, muted_until__gt=now)
    return FailureGroup.objects.filter(is_muted | Q(state=FailureGroup.State.RESOLVED))


def _many_dead_open(closed: Any, most: int) -> int:
    """Of `most` or more dead ones. Those of closed groups, which may be many more, are not read."""
    others = FailureGroup.objects.exclude(pk__in=closed)
    youngest = RawPayload.objects.filter(IS_STUCK, state=State.DEAD).order_by("-pk").values("pk")[:COUNTED]
    in_groups = RawPayload.objects.filter(failure__in=others, state=State.DEAD)
    return min(most, sum(bounded_counts([in_groups, RawPayload.objects.filter(pk__in=youngest, failure=None)], most)))


def _of_other_bytes(most: int) -> Any:
    """Of the youngest in quarantine: to read the errors of more would take too long."""
    youngest = RawPayload.objects.filter(IS_STUCK, state=State.QUARANTINED).order_by("-pk").values("pk")[:most]
    return RawPayload.objects.filter(pk__in=youngest, error__startswith=OTHER_BYTES)


def clock_differs(db: BaseDatabaseWrapper) -> float:
    """Seconds by which the database's clock is ahead of ours, but for the time of its answer. SQLite has ours."""
    if db.vendor != "postgresql":
        return 0.0
    before = time.time()
    ((theirs,),) = fetch_all(db, "SELECT extract(epoch FROM clock_timestamp())::float8", [])
    after = time.time()
    return float(theirs) - min(max(float(theirs), before), after)
