"""A connection to SQLite that writes down how long it held the database's one write lock, and who made it so.

Name it in a project's settings: `OPTIONS={"factory": TracedConnection}`. The lines go to the file LOCK_TRACE: the
program, the caller in the engine, microseconds, statements.
"""

import inspect
import os
import re
import sqlite3
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

WRITES: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH\b.*\bUPDATE|CREATE|ALTER|DROP)\b", re.DOTALL | re.I)
ENGINE: Final = f"{os.sep}notifications{os.sep}"
#: What passes statements on for others.
BELOW: Final = (f"{os.sep}database{os.sep}", f"{os.sep}store{os.sep}insert.py")


class Trace:
    """The lock as one connection holds it."""

    def __init__(self) -> None:
        self._file = open(os.environ["LOCK_TRACE"], "a", buffering=1)  # noqa: SIM115  as long as the process
        self._program = next((each for each in sys.argv[1:] if each.isidentifier()), Path(sys.argv[0]).stem)
        self._since = 0.0
        self._caller = ""
        self._statements = 0

    def ran(self, sql: str, started: float, was_open: bool, is_open: bool) -> None:
        """A statement ended. `was_open`, `is_open`: whether a transaction was open before and is after it."""
        now = time.perf_counter()
        if is_open and not was_open:  # BEGIN IMMEDIATE has the lock, BEGIN not yet
            self._since, self._caller, self._statements = now if "IMMEDIATE" in sql else 0.0, caller(), 0
        elif is_open and not self._since and WRITES.match(sql):
            self._since = now
        elif was_open and not is_open:
            self.ended(now)
        elif not was_open and WRITES.match(sql):
            self._write(caller(), now - started, 1)
        self._statements += was_open

    def ended(self, now: float) -> None:
        """A transaction ended."""
        if self._since:
            self._write(self._caller, now - self._since, self._statements)
        self._since = 0.0

    def _write(self, who: str, seconds: float, statements: int) -> None:
        self._file.write(f"{self._program}\t{who}\t{seconds * 1e6:.1f}\t{statements}\t{time.time():.3f}\n")


class TracedConnection(sqlite3.Connection):
    """See the top of this file."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.trace = Trace()

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        return super().cursor(traced(factory))

    def commit(self) -> None:
        was_open = self.in_transaction
        super().commit()
        if was_open:
            self.trace.ended(time.perf_counter())

    def rollback(self) -> None:
        was_open = self.in_transaction
        super().rollback()
        if was_open:
            self.trace.ended(time.perf_counter())


@cache
def traced(factory: type[sqlite3.Cursor]) -> type[sqlite3.Cursor]:
    """A cursor that reports its statements to its connection. Rows of RETURNING hold the lock until all are read."""

    class Traced(factory):  # type: ignore[misc, valid-type]
        pending: Any = None

        def execute(self, sql: str, *args: Any) -> Any:
            was_open, started = self.connection.in_transaction, time.perf_counter()
            self.pending = None
            result = super().execute(sql, *args)
            if not was_open and " RETURNING " in sql:
                self.pending = sql, started
            else:
                self.connection.trace.ran(sql, started, was_open, self.connection.in_transaction)
            return result

        def executemany(self, sql: str, *args: Any) -> Any:
            was_open, started = self.connection.in_transaction, time.perf_counter()
            result = super().executemany(sql, *args)
            self.connection.trace.ran(sql, started, was_open, self.connection.in_transaction)
            return result

        def fetchall(self) -> Any:
            rows = super().fetchall()
            if self.pending:
                sql, started = self.pending
                self.pending = None
                self.connection.trace.ran(sql, started, False, False)
            return rows

    return Traced


def caller() -> str:
    """The innermost function of the engine that is above those which only pass statements on; "" without one."""
    frame = inspect.currentframe()
    while frame is not None:
        path = frame.f_code.co_filename
        if ENGINE in path and not any(part in path for part in BELOW):
            return f"{path.rpartition(ENGINE)[2]} {frame.f_code.co_name}"
        frame = frame.f_back
    return "the view"
