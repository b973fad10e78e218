"""What the status reads of the database, by one statement. Payloads are counted up to a limit; of failed deliveries,
losses and refused entries there are few, or an index has what is counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import aware_time, table_of
from notifications.database.read_together import Part, read_together
from notifications.events.event import SERIES
from notifications.models import FailedDelivery, Loss, Machine, Position, Refusal
from notifications.positions.key import machine_id
from notifications.status.payload_parts import of_payloads

UNSEEN: Final = f"FROM {table_of(Loss)} WHERE seen_at IS NULL"
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
FAILED: Final = table_of(FailedDelivery)
#: By channel: how many failed deliveries there are, and how many of these wait to be sent again. For PostgreSQL.
GROUPED: Final = Part(
    ("failed.channel", "failed.number", "COALESCE(again.number, 0)"),
    f"""FROM (SELECT channel, COUNT(*) AS number FROM {FAILED} GROUP BY channel) failed LEFT JOIN (
        SELECT channel, COUNT(*) AS number FROM {FAILED} WHERE again_at IS NOT NULL GROUP BY channel
    ) again ON again.channel = failed.channel""",
)
#: The same for SQLite, which takes longer to group 100,000 entries of an index than to count those of each channel.
#: One look at the index finds the next channel; after the last one it finds NULL. PostgreSQL would expect many channels
#: there, and compile the whole statement (JIT), which takes longer than to run it.
ONE_BY_ONE: Final = Part(
    (
        "channel",
        f"(SELECT COUNT(*) FROM {FAILED} failed WHERE failed.channel = channels.channel)",
        f"(SELECT COUNT(*) FROM {FAILED} again WHERE again_at IS NOT NULL AND again.channel = channels.channel)",
    ),
    f"""FROM (
        WITH RECURSIVE found(channel) AS (
            SELECT MIN(channel) FROM {FAILED} UNION ALL
            SELECT (SELECT MIN(channel) FROM {FAILED} WHERE channel > found.channel) FROM found
            WHERE found.channel IS NOT NULL
        ) SELECT channel FROM found WHERE channel IS NOT NULL
    ) channels""",
)
LOST: Final = Part(("channel", "SUM(count)", "COUNT(*)", "COUNT(count)"), f"FROM {table_of(Loss)} GROUP BY channel")


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
        """A datetime of the text that JSON has of it, in UTC."""
        found = aware_time(self.db, datetime.fromisoformat(value)) if value else None
        return found and found.astimezone(UTC)


def read_all(db: BaseDatabaseWrapper, now: datetime, most: int, *, whole: bool) -> DatabaseRows:
    """One query. Counts of payloads stop at `most`; `whole`: also of what waits. Raises database errors."""
    parts = {
        **dict(of_payloads(db, now, most, whole=whole)),
        **_of_channels(db),
        "positions": Part(POSITION, f"FROM {table_of(Position)}"),
        **dict(_of_events()),
        "machines": Part(MACHINE, f"FROM {table_of(Machine)} WHERE machine <> %s", (machine_id(),)),
    }
    if db.vendor == "postgresql":
        parts["clock"] = CLOCK
    return DatabaseRows(db, read_together(db, parts))


def read_of_channels(db: BaseDatabaseWrapper) -> DatabaseRows:
    """Failed deliveries and losses by channel. One query. Raises database errors."""
    return DatabaseRows(db, read_together(db, _of_channels(db)))


def _of_channels(db: BaseDatabaseWrapper) -> dict[str, Part]:
    return {"failed": ONE_BY_ONE if db.vendor == "sqlite" else GROUPED, "lost": LOST}


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
