"""Reads the database of a running Site, from outside."""

import sqlite3
from contextlib import closing
from typing import Any

from tests.support.processes import Site


class Reading:
    """Rows as they are now. For sites on SQLite."""

    def __init__(self, site: Site) -> None:
        self._path = site.env["DATABASE_URL"].removeprefix("sqlite:///")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    def unfinished(self) -> int:
        """Payloads that are not done."""
        return int(self.rows("SELECT count(*) FROM notifications_rawpayload WHERE state <> 'done'")[0][0])

    def reports(self) -> dict[str, int]:
        """Counts by name, of all days."""
        return dict(self.rows("SELECT name, sum(count) FROM notifications_reportrow GROUP BY name"))
