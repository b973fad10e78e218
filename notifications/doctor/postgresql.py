"""Examines a PostgreSQL that answers: how safe its commits are, whether it has room, and what is in between."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import fetch_all
from notifications.utils.finding import Finding, Result, failed, ok, warning

#: The part of its connections that may be in use.
NEARLY_ALL: Final = 0.8
ASKED: Final = """
    SELECT current_setting('server_version'), current_setting('synchronous_commit'), current_setting('fsync'),
        current_setting('max_connections')::int, pg_is_in_recovery(), current_setting('transaction_read_only'),
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), pg_backend_pid()
"""


class Server(NamedTuple):
    """What it answers to ASKED."""

    version: str
    synchronous_commit: str
    fsync: str
    max_connections: int
    in_recovery: bool
    read_only: str
    connections: int
    pid: int


def postgresql(db: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Raises database errors."""
    (row,) = fetch_all(db, ASKED, [])
    server = Server(*row)
    pooled = is_pooled(db, server.pid)
    found = [*_safety(server), *_room(server), *(_pooler(db) if pooled else ())]
    yield from found
    if not any(each.result is Result.FAILED for each in found):
        through = ", through a pooler" if pooled else ""
        yield ok(
            f"PostgreSQL {server.version}{through}: synchronous_commit {server.synchronous_commit},"
            f" {server.connections} of {server.max_connections} connections, CONN_MAX_AGE"
            f" {db.settings_dict.get('CONN_MAX_AGE')}"
        )


def _safety(server: Server) -> Iterator[Finding]:
    if server.in_recovery or server.read_only == "on":
        what = "a standby" if server.in_recovery else "read-only"
        yield failed(f"the server is {what}: nothing can be written", "Name the primary in DATABASES, or promote it.")
    if server.fsync == "off":
        yield failed("fsync is off: a power cut destroys the database", "Set fsync = on in postgresql.conf.")
    if server.synchronous_commit == "off":
        advice = "Set synchronous_commit = on, for this database or its role: ALTER ROLE … SET synchronous_commit = on."
        yield warning("synchronous_commit is off: a power cut loses what was answered with 202", advice)


def _room(server: Server) -> Iterator[Finding]:
    if server.connections > NEARLY_ALL * server.max_connections:
        text = f"{server.connections} of {server.max_connections} connections are in use: then new ones are refused"
        yield warning(text, "Raise max_connections, or put a pooler in between: docs/growing.md.")


def _pooler(db: BaseDatabaseWrapper) -> Iterator[Finding]:
    if db.settings_dict.get("OPTIONS", {}).get("prepare_threshold", 0) is not None:
        advice = "In transaction mode set prepare_threshold to None (DATABASE_URL=…?prepare_threshold=null)."
        yield warning("a pooler is in between, and statements are prepared: it may lose them", advice)


def is_pooled(db: BaseDatabaseWrapper, pid: int) -> bool:
    """Whether the process that answers is another than the one that was connected to."""
    connection: Any = db.connection
    return bool(connection is not None and connection.info.backend_pid != pid)
