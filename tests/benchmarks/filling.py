"""Fills the raw store with rows that are of no use but to be there: INSERT … SELECT, millions in a minute."""

from typing import Final

from django.db import connection

from notifications.database.fast_sql import table_of
from notifications.models import RawPayload

TABLE: Final = table_of(RawPayload)
#: Rows of one statement: SQLite's WAL and PostgreSQL's memory stay small.
CHUNK: Final = 200_000
#: Its body is short: what matters is how many rows and entries of indexes there are.
COLUMNS: Final = (
    "receipt, source, state, attempts, received_at, next_attempt_at, done_at, size, digest, content_type, method, path,"
    " query, remote_addr, idempotency_key, error, headers_json, inline_body"
)
VALUES: Final = (
    "'{source}', '{state}', {attempts}, {at}, {due}, {done}, 2, '', '', '', '', '', '', '', '', '{{}}', {body}"
)
NUMBERS: Final = "WITH RECURSIVE number(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last})"


def fill(count: int, *, state: str, source: str = "demo") -> None:
    """Add `count` payloads, one a millisecond, the last of them now: "done", or "received" and due."""
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count) - 1
        with connection.cursor() as cursor:
            cursor.execute(_insert(first, last, count, state, source))


def _insert(first: int, last: int, count: int, state: str, source: str) -> str:
    is_sqlite = connection.vendor == "sqlite"
    back = f"({count} - n) / 1000.0"
    if is_sqlite:
        numbers = NUMBERS.format(first=first, last=last)
        receipt, table = "lower(hex(randomblob(4))) || printf('%024x', n)", "number"
        at, body = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({back}) || ' seconds')", "x'7b7d'"
    else:
        numbers, table = "", f"generate_series({first}, {last}) AS number(n)"
        receipt, at, body = "gen_random_uuid()", f"now() - make_interval(secs => {back})", "'{}'::bytea"
    done = state == "done"
    values = VALUES.format(
        source=source,
        state=state,
        attempts=int(done),
        at=at,
        due="NULL" if done else at,
        done=at if done else "NULL",
        body=body,
    )
    return f"INSERT INTO {TABLE} ({COLUMNS}) {numbers} SELECT {receipt}, {values} FROM {table}"


def settle() -> None:
    """What autovacuum and the housekeeper would have done meanwhile."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
