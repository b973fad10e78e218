"""Payloads in the one statement of the status: how many are in each state, and which of these nobody knows of yet."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import table_of, time_value
from notifications.database.read_together import Part, read_together
from notifications.models import FailureGroup, RawPayload, State
from notifications.models.states import STUCK, WAITING
from notifications.models.wrong_clock import AHEAD
from notifications.store.new_payload import OTHER_BYTES

#: Counting stops here: a long queue must not make the status slow, and still less the verdict.
COUNTED: Final = 100_000
FEW: Final = 1_000
#: Dead payloads whose groups the one statement looks at.
LOOKED_AT: Final = 2_000
MANY: Final = -1
PAYLOADS: Final = f"FROM {table_of(RawPayload)} WHERE"
#: The state is a literal, and for stuck ones the condition of their index comes first: else SQLite does not use it.
WAITS: Final = "next_attempt_at IS NOT NULL AND state ="
STUCK_IN: Final = "state IN ('dead', 'quarantined') AND state ="
#: Of muted groups the time is a value.
CLOSED: Final = f"FROM {table_of(FailureGroup)} WHERE state = 'resolved' OR (state = 'muted' AND muted_until > %s)"


def of_payloads(db: BaseDatabaseWrapper, now: datetime, most: int, *, whole: bool) -> Iterator[tuple[str, Part]]:
    """Counts that stop at `most`, and the time of the oldest that waits. `whole`: also how many wait."""
    then = time_value(db, now)
    due = f"{PAYLOADS} state = 'received' AND next_attempt_at <= %s"
    yield "oldest", Part(("next_attempt_at",), f"{due} ORDER BY next_attempt_at LIMIT 1", (then,))
    for state in WAITING if whole else ():
        yield state.value, _up_to(most, f"{PAYLOADS} {WAITS} '{state}'")
    for state in STUCK:
        yield state.value, _up_to(most, f"{PAYLOADS} {STUCK_IN} '{state}'")
    quarantined = f"FROM (SELECT error {_youngest(State.QUARANTINED, most)}) few"
    starts = f"{quarantined} WHERE substr(error, 1, {len(OTHER_BYTES)}) = %s"
    yield "other_bytes", Part(("COUNT(*)",), starts, (OTHER_BYTES,))
    yield "from_future", _up_to(most, f"{PAYLOADS} received_at > %s", time_value(db, now + AHEAD))
    yield "dead_open", _dead_open(then, most)


def _up_to(most: int, rest: str, *values: Any) -> Part:
    return Part(("COUNT(*)",), f"FROM (SELECT 1 {rest} LIMIT {most}) counted", values)


def _dead_open(now: Any, most: int) -> Part:
    """Dead payloads that no closed group has: NULL where no group is closed, and MANY where `read_many_dead_open` has
    to say. PostgreSQL plans what it may never run, too: many rows here would make it compile the whole statement.
    """
    few = min(most, LOOKED_AT)
    dead = f"SELECT COUNT(*) FROM (SELECT 1 {PAYLOADS} {STUCK_IN} 'dead' LIMIT {few}) counted"
    is_open = f"failure_id IS NULL OR failure_id NOT IN (SELECT id {CLOSED})"
    count = f"SELECT COUNT(*) FROM (SELECT failure_id {_youngest(State.DEAD, few)}) few WHERE {is_open}"
    by_number = f"CASE WHEN ({dead}) < {few} THEN ({count}) ELSE {MANY} END"
    return Part((f"CASE WHEN EXISTS (SELECT 1 {CLOSED}) THEN {by_number} END",), "", (now, now))


def read_many_dead_open(db: BaseDatabaseWrapper, now: datetime, most: int) -> int:
    """As `_dead_open`, of very many: those of closed groups, which may be many more, are not read. One query."""
    others = f"SELECT id FROM {table_of(FailureGroup)} WHERE id NOT IN (SELECT id {CLOSED})"
    alone = f"FROM (SELECT failure_id {_youngest(State.DEAD, COUNTED)}) few WHERE failure_id IS NULL"
    parts = {
        "grouped": _up_to(most, f"{PAYLOADS} state = 'dead' AND failure_id IN ({others})", time_value(db, now)),
        "alone": _up_to(most, alone),
    }
    return min(most, sum(int(rows[0][0]) for rows in read_together(db, parts).values()))


def _youngest(state: State, most: int) -> str:
    """To read the rows of more would take too long."""
    return f"{PAYLOADS} {STUCK_IN} '{state}' ORDER BY id DESC LIMIT {most}"
