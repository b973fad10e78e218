"""Times as drivers give them cheaply: to make a datetime of each of some thousand rows takes longer than the query."""

from datetime import UTC, datetime

from notifications.database import bounded_wait
from notifications.database.fast_sql import aware_time
from notifications.models.series import EPOCH

#: A text of SQLite's, or PostgreSQL's seconds since 1970.
TimeText = str | int


def time_text(column: str) -> str:
    """The expression in SQL."""
    if bounded_wait.connection().vendor == "sqlite":
        return f"CAST({column} AS TEXT)"
    return f"CAST(EXTRACT(EPOCH FROM {column}) AS BIGINT)"


def time_of(value: TimeText) -> datetime:
    """An aware datetime."""
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC)
    return aware_time(bounded_wait.connection(), datetime.fromisoformat(value)) or EPOCH
