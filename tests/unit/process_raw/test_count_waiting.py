"""What the worker counts for intake, and that counting costs little."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.intake import quota
from notifications.models import RawPayload, SourceTotal, State
from notifications.process_raw.chores import chores, count_waiting
from notifications.process_raw.chores.count_waiting import NOTHING_TO_DO, count_totals
from tests.support.payloads import kept

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
SIGNED = {"signature": "github", "secrets": ["s" * 20], "bad_signature": "quarantine"}


@pytest.fixture(autouse=True)
def limited(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {
        "demo": {"max_waiting": 5},
        "photo": {"max_waiting_bytes": 1000},
        "hook": SIGNED,
        "free": {},
    }


def counted() -> dict[str, tuple[int, int, int]]:
    rows = SourceTotal.objects.values_list("source", "waiting", "waiting_bytes", "quarantined")
    return {name: (waiting, size, quarantined) for name, waiting, size, quarantined in rows}


def test_is_a_chore() -> None:
    assert "count totals" in {chore.name for chore in chores()}


def test_counts_what_waits_of_sources_with_limits() -> None:
    for state in State:
        payload = kept(b"12345")
        finished = {"next_attempt_at": None} if state in {State.DONE, State.DEAD, State.QUARANTINED} else {}
        RawPayload.objects.filter(pk=payload.pk).update(state=state, **finished)
    kept(b"123", source="photo")
    for state in (State.QUARANTINED, State.QUARANTINED, State.DEAD):
        payload = kept(b"1", source="hook")
        RawPayload.objects.filter(pk=payload.pk).update(state=state, next_attempt_at=None)
    kept(source="free")
    assert count_totals() >= count_waiting.INTERVAL
    assert counted() == {"demo": (3, 15, 1), "photo": (1, 3, 0), "hook": (0, 0, 2)}


def test_counts_again() -> None:
    kept()
    count_totals()
    SourceTotal.objects.update(counted_at=timezone.now() - timedelta(hours=1))
    RawPayload.objects.update(next_attempt_at=None)
    count_totals()
    assert counted()["demo"] == (0, 0, 0)
    assert SourceTotal.objects.filter(counted_at__gt=timezone.now() - timedelta(minutes=10)).count() == 3


def test_without_limits_nothing_is_counted(settings: Any, django_assert_num_queries: Callable[..., Any]) -> None:
    settings.NOTIFICATIONS_SOURCES = {"free": {}}
    with django_assert_num_queries(0):
        assert count_totals() == NOTHING_TO_DO
    assert counted() == {}


@pytest.mark.parametrize(
    ("took", "pause"), [(0.01, count_waiting.INTERVAL), (0.25, 5.0), (3.0, count_waiting.LONGEST_INTERVAL)]
)
def test_counting_takes_little_of_the_time(monkeypatch: pytest.MonkeyPatch, took: float, pause: float) -> None:
    times = iter([100.0, 100.0 + took])
    monkeypatch.setattr("notifications.process_raw.chores.count_waiting.time.monotonic", lambda: next(times))
    assert count_totals() == pause


def test_what_a_slow_worker_counts_is_not_taken_for_that_of_a_dead_one() -> None:
    assert quota.STALE >= 2 * count_waiting.LONGEST_INTERVAL, "no capture counts, also where a count takes ten seconds"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plan depends on how much there is")
@pytest.mark.parametrize(
    ("query", "index"), [(count_waiting.WAITING, "raw_due"), (count_waiting.QUARANTINED, "raw_stuck")]
)
def test_what_is_done_is_not_walked_through(query: str, index: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        assert f"USING INDEX {index}" in str(cursor.fetchall())


def test_two_statements_and_one_write() -> None:
    with CaptureQueriesContext(connection) as queries:
        count_totals()
    (write,) = (query["sql"] for query in queries if "INSERT" in query["sql"])
    assert "ON CONFLICT" in write


def test_the_same_again_is_not_written() -> None:
    kept()
    count_totals()
    with CaptureQueriesContext(connection) as queries:
        count_totals()
    assert [query["sql"] for query in queries if "INSERT" in query["sql"]] == []


def test_totals_are_written_again_before_intake_takes_them_for_old() -> None:
    assert timedelta(seconds=quota.STALE) > 2 * count_waiting.REFRESH
    count_totals()
    SourceTotal.objects.update(counted_at=timezone.now() - count_waiting.REFRESH)
    count_totals()
    assert not SourceTotal.objects.filter(counted_at__lt=timezone.now() - timedelta(seconds=5)).exists()
