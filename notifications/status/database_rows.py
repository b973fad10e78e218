"""What the status reads of the database, by one statement: each part reads few rows, or counts them up to a limit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import aware_time, table_of, time_value
from notifications.database.read_together import Part, read_together
from notifications.events.event import SERIES
from notifications.models import FailedDelivery, FailureGroup, Loss, Machine, Position, RawPayload, Refusal, State
from notifications.models.states import STUCK, WAITING
from notifications.models.wrong_clock import AHEAD
from notifications.positions.key import machine_id
from notifications.store.new_payload import OTHER_BYTES

#: Counting stops here: a long queue must not make the status slow, and still less the verdict.
COUNTED: Final = 100_000
FEW: Final = 1_000
PAYLOADS: Final = f"FROM {table_of(RawPayload)} WHERE"
#: The state is a literal, and for stuck ones the condition of their index comes first: else SQLite does not use it.
WAITS: Final = "next_attempt_at IS NOT NULL AND state ="
STUCK_IN: Final = "state IN ('dead', 'quarantined') AND state ="
UNSEEN: Final = f"FROM {table_of(Loss)} WHERE seen_at IS NULL"
#: Of muted groups the time is a value.
CLOSED: Final = f"FROM {table_of(FailureGroup)} WHERE state = 'resolved' OR (state = 'muted' AND muted_until > %s)"
#: The youngest losses, of which the last is looked for: reports may come late.
YOUNGEST: Final = 100
#: What an older follow_journal refuses until it is restarted: newer web processes write events that it does not know.
OF_UPGRADE: Final = ("no channel of this name", SERIES)
POSITION: Final = (
    *("id", "machine", "journal", "channel", "cursor", "entry_time", "delivered_at", "waiting", "next_attempt_at"),
    *("problem", "problem_since"),
)
MACHINE: Final = ("machine", "host", "seen_at", "problems", "workers")
POSITION_TIMES: Final = ("entry_time", "delivered_at", "next_attempt_at", "problem_since")
#: Of PostgreSQL.
CLOCK: Final = Part(("extract(epoch FROM clock_timestamp())::float8",), "")
OF_CHANNELS: Final = {
    # Counted from an index alone.
    "failed": Part(("channel", "COUNT(*)"), f"FROM {table_of(FailedDelivery)} GROUP BY channel"),
    # Not by the index of all channels: few wait to be sent again.
    "again": Part(
        ("channel || ''", "COUNT(*)"),
        f"FROM {table_of(FailedDelivery)} WHERE again_at IS NOT NULL GROUP BY channel || ''",
    ),
    "lost": Part(("channel", "SUM(count)", "COUNT(*)", "COUNT(count)"), f"FROM {table_of(Loss)} GROUP BY channel"),
}


@dataclass(frozen=True, slots=True)
class DatabaseRows:
    """The rows of each part, by its name."""

    db: BaseDatabaseWrapper
    found: Mapping[str, list[list[Any]]]

    def __getitem__(self, part: str) -> list[list[Any]]:
        return self.found[part]

    def one(self, part: str) -> Any:
        """The value of a part that has at most one; None if it has none, or was not read."""
        rows = self.found.get(part)
        return rows[0][0] if rows else None

    def time(self, value: str | None) -> datetime | None:
        """An aware datetime of the text that JSON has of it."""
        return aware_time(self.db, datetime.fromisoformat(value)) if value else None


def read_all(db: BaseDatabaseWrapper, now: datetime, most: int, *, whole: bool) -> DatabaseRows:
    """One query. Counts stop at `most`; `whole`: also of what waits. Raises database errors."""
    parts = {
        "oldest": Part(
            ("next_attempt_at",),
            f"{PAYLOADS} state = 'received' AND next_attempt_at <= %s ORDER BY next_attempt_at LIMIT 1",
            (time_value(db, now),),
        ),
        **(_counted({state: f"{WAITS} '{state}'" for state in WAITING}, most) if whole else {}),
        **_counted({state: f"{STUCK_IN} '{state}'" for state in STUCK}, most),
        **dict(_of_payloads(db, now, most)),
        "dead_open": _dead_open(time_value(db, now), most),
        **OF_CHANNELS,
        "positions": Part(POSITION, f"FROM {table_of(Position)}"),
        **dict(_of_events()),
        "machines": Part(MACHINE, f"FROM {table_of(Machine)} WHERE machine <> %s", (machine_id(),)),
    }
    if db.vendor == "postgresql":
        parts["clock"] = CLOCK
    return DatabaseRows(db, read_together(db, parts))


def read_of_channels(db: BaseDatabaseWrapper) -> DatabaseRows:
    """Failed deliveries and losses by channel. One query. Raises database errors."""
    return DatabaseRows(db, read_together(db, OF_CHANNELS))


def _counted(conditions: Mapping[State, str], most: int) -> dict[str, Part]:
    return {state.value: _up_to(most, f"{PAYLOADS} {condition}") for state, condition in conditions.items()}


def _up_to(most: int, rest: str, *values: Any) -> Part:
    return Part(("COUNT(*)",), f"FROM (SELECT 1 {rest} LIMIT {most}) counted", values)


def _of_payloads(db: BaseDatabaseWrapper, now: datetime, most: int) -> Iterator[tuple[str, Part]]:
    """Those in quarantine with other bytes, and those from the future."""
    quarantined = f"FROM (SELECT error {_youngest(State.QUARANTINED, most)}) few"
    starts = f"{quarantined} WHERE substr(error, 1, {len(OTHER_BYTES)}) = %s"
    yield "other_bytes", Part(("COUNT(*)",), starts, (OTHER_BYTES,))
    yield "from_future", _up_to(most, f"{PAYLOADS} received_at > %s", time_value(db, now + AHEAD))


def _dead_open(now: Any, most: int) -> Part:
    """Dead payloads that no closed group has; NULL where no group is closed, and perhaps more than `most`.

    If there are very many, those of closed groups, which may be many more, are not read.
    """
    dead = f"SELECT COUNT(*) FROM (SELECT 1 {PAYLOADS} {STUCK_IN} 'dead' LIMIT {most}) counted"
    is_open = f"failure_id IS NULL OR failure_id NOT IN (SELECT id {CLOSED})"
    few = f"SELECT COUNT(*) FROM (SELECT failure_id {_youngest(State.DEAD, most)}) few WHERE {is_open}"
    others = f"SELECT id FROM {table_of(FailureGroup)} WHERE id NOT IN (SELECT id {CLOSED})"
    grouped = (
        f"SELECT COUNT(*) FROM (SELECT 1 {PAYLOADS} state = 'dead' AND failure_id IN ({others}) LIMIT {most}) open"
    )
    alone = f"SELECT COUNT(*) FROM (SELECT failure_id {_youngest(State.DEAD, COUNTED)}) few WHERE failure_id IS NULL"
    many = f"({grouped}) + ({alone})"
    column = f"CASE WHEN EXISTS (SELECT 1 {CLOSED}) THEN CASE WHEN ({dead}) < {most} THEN ({few}) ELSE {many} END END"
    return Part((column,), "", (now,) * 3)


def _youngest(state: State, most: int) -> str:
    """To read the rows of more would take too long."""
    return f"{PAYLOADS} {STUCK_IN} '{state}' ORDER BY id DESC LIMIT {most}"


def _of_events() -> Iterator[tuple[str, Part]]:
    """Refused entries, and of them and of losses those that are news."""
    yield "unseen", Part(("COUNT(*)", "SUM(count)", "COUNT(count)"), UNSEEN)
    youngest = f"FROM (SELECT until, told_at, channel, reason {UNSEEN} ORDER BY id DESC LIMIT {YOUNGEST}) few"
    yield "youngest", Part(("until", "told_at", "channel", "reason"), youngest)
    yield "refused", Part(("reason", "SUM(count)"), f"FROM {table_of(Refusal)} GROUP BY reason")
    yield (
        "unseen_refused",
        Part(
            ("COUNT(*)", "SUM(count - seen_count)", "MAX(until)"),
            f"FROM {table_of(Refusal)} WHERE count > seen_count AND NOT (reason = %s AND name = %s)",
            OF_UPGRADE,
        ),
    )
