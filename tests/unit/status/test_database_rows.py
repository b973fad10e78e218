"""Rows of the status, as JSON has them."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from notifications.status.database_rows import DatabaseRows


@pytest.mark.parametrize("text", ["2026-12-01T09:38:43.5-05:00", "2026-12-01T14:38:43.500000+00:00"])
def test_times_are_in_utc_whatever_zone_the_session_has(text: str) -> None:
    found = DatabaseRows(connection, {}).time(text)
    assert found == datetime(2026, 12, 1, 14, 38, 43, 500_000, UTC)
    assert found.tzinfo is UTC


def test_what_was_not_read_is_none() -> None:
    rows = DatabaseRows(connection, {"nothing": []})
    assert (rows.one("nothing"), rows.one("clock"), rows.time(None)) == (None, None, None)
