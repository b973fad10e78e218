"""Since when, for people."""

from datetime import UTC, datetime, timedelta

import pytest

from notifications.status import since as module
from notifications.status.since import since

NOW = datetime(2026, 11, 30, 0, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(minutes=3), "since 00:01 (3 min)"),
        (timedelta(minutes=5), "since 29 Nov 23:59 (5 min)"),
        (timedelta(days=28), "since 2 Nov 00:04 (28 d)"),
    ],
)
def test_with_the_date_if_it_is_not_today(monkeypatch: pytest.MonkeyPatch, ago: timedelta, said: str) -> None:
    monkeypatch.setattr(module, "utc_now", lambda: NOW)
    assert since(NOW - ago) == said
