"""What the database says of both lanes, within a few seconds, or why it says nothing."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import Error, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.deadline import deadline
from notifications.database.fast_sql import fetch_all
from notifications.database.read_together import read_together
from notifications.models import Position, State
from notifications.models.states import STUCK, WAITING
from notifications.status.channels import ChannelStatus, channel_statuses, failed_by_channel, lost_by_channel
from notifications.status.database_rows import CLOCK, POSITION, POSITION_TIMES, DatabaseRows, read_all
from notifications.status.lag import lags
from notifications.status.payload_parts import COUNTED, FEW, MANY, read_many_dead_open
from notifications.status.unseen import UnseenLosses, UnseenRefused, unseen_losses, unseen_refused
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.times import utc_now

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


def ask(db: BaseDatabaseWrapper, *, lag_seconds: float, whole: bool, has_answered: bool = False) -> Answer:
    """Never raises. A connection that failed is closed: the next one to ask opens another.

    `has_answered`: a moment ago, to the caller: then it is not away, and one query is saved.
    """
    is_away, until = True, time.monotonic() + LONGEST
    try:
        with deadline(LONGEST):
            if not has_answered:
                answers(db)
        is_away = False  # from here on it may only be slow
        with deadline(max(LEAST, until - time.monotonic()) + lag_seconds):
            return Answer(_status(db, lag_seconds, whole=whole))
    except Error as error:
        if db.vendor == "postgresql" and not isinstance(error, ProgrammingError):
            db.close()
        problem = graphemes.first(f"{type(error).__name__}: {one_line(str(error))}", LONGEST_ERROR)
        return Answer(None, problem, is_away)


def answers(db: BaseDatabaseWrapper) -> None:
    """Raises database errors if it does not."""
    fetch_all(db, "SELECT 1", [])


def _status(db: BaseDatabaseWrapper, lag_seconds: float, *, whole: bool) -> DatabaseStatus:
    now, before = utc_now(), time.time()
    most = COUNTED if whole else FEW
    rows = read_all(db, now, most, whole=whole)
    ahead = differs(rows.one("clock"), before)
    positions = sorted(
        (_position(rows, row) for row in rows["positions"]), key=lambda each: (each.channel, each.journal, each.machine)
    )
    behind = lags(positions, seconds=lag_seconds) if lag_seconds else {}
    failed, lost, oldest = failed_by_channel(rows), lost_by_channel(rows), rows.time(rows.one("oldest"))
    return DatabaseStatus(
        most=most,
        payloads={state.value: rows.one(state) for state in (*(WAITING if whole else ()), *STUCK)},
        dead_open=_dead_open(rows, now, most),
        other_bytes=rows.one("other_bytes"),
        from_future=rows.one("from_future"),
        oldest_waiting=(now - oldest).total_seconds() if oldest else None,
        channels=list(channel_statuses(positions, now, behind, rows).values()),
        failed_deliveries=sum(each.rows for each in failed.values()),
        failed={channel: each.rows for channel, each in failed.items()},
        failed_again=sum(each.again for each in failed.values()),
        losses=sum(each.records for each in lost.values()),
        lost_events=sum(each.events for each in lost.values()),
        lost_more=any(each.more for each in lost.values()),
        unseen_losses=unseen_losses(rows),
        refused=dict(sorted(rows["refused"])),
        unseen_refused=unseen_refused(rows),
        clock_differs=ahead,
        machines=[_machine(rows, now, row) for row in sorted(rows["machines"], key=lambda row: (row[1], row[0]))],
    )


def _position(rows: DatabaseRows, row: Sequence[Any]) -> Position:
    """Without what the status does not read."""
    values = dict(zip(POSITION, row, strict=True))
    return Position(**values | {name: rows.time(values[name]) for name in POSITION_TIMES})


def _machine(rows: DatabaseRows, now: datetime, row: Sequence[Any]) -> MachineStatus:
    machine, host, seen_at, *lists = row
    seen = (now - (rows.time(seen_at) or now)).total_seconds()
    problems, workers = (json.loads(each) if isinstance(each, str) else each for each in lists)  # SQLite has texts
    return MachineStatus(machine, host, seen, problems, workers)


def _dead_open(rows: DatabaseRows, now: datetime, most: int) -> int:
    found = rows.one("dead_open")
    if found == MANY:
        return read_many_dead_open(rows.db, now, most)
    return int(rows.one(State.DEAD) if found is None else found)


def clock_differs(db: BaseDatabaseWrapper) -> float:
    """Seconds by which the database's clock is ahead of ours, but for the time of its answer. SQLite has ours."""
    if db.vendor != "postgresql":
        return 0.0
    before = time.time()
    return differs(read_together(db, {"clock": CLOCK})["clock"][0][0], before)


def differs(theirs: float | None, before: float) -> float:
    """None has our clock. The answer came after `before`."""
    return 0.0 if theirs is None else theirs - min(max(theirs, before), time.time())
