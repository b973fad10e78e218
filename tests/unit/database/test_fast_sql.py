"""Statements without Django's cursor raise Django's errors."""

import pytest
from django.db import Error, connection

from notifications.database.fast_sql import fetch_all

pytestmark = pytest.mark.django_db


def test_rows() -> None:
    assert fetch_all(connection, "SELECT %s UNION ALL SELECT 2 ORDER BY 1", [1]) == [(1,), (2,)]


def test_an_error_at_a_later_row() -> None:
    """As of a disk that is full while SQLite returns what an UPDATE has changed."""
    rows = "SELECT 1 AS x UNION ALL SELECT -9223372036854775808"
    with pytest.raises(Error, match=r"overflow|out of range"):
        fetch_all(connection, f"SELECT abs(x) FROM ({rows}) AS numbers", [])
