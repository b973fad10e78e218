"""What counts towards a source's quota, and that a capture counts nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.conf import Source
from notifications.database import bounded_wait
from notifications.errors import QuotaFull
from notifications.intake import quota
from notifications.models import RawPayload, SourceTotal, State
from notifications.store.database_breaker import breaker
from tests.support.payloads import kept

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
FEW = Source(name="demo", max_waiting=2)
SMALL = Source(name="demo", max_waiting_bytes=10)
HOOK = Source(name="demo", signature="github", bad_signature="quarantine", max_quarantined=2)


def counted(*, seconds_ago: float = 0.0, source: str = "demo", **numbers: int) -> None:
    """As the worker has counted."""
    at = timezone.now() - timedelta(seconds=seconds_ago)
    SourceTotal.objects.update_or_create(source=source, defaults={"counted_at": at, **numbers})


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a second went by before each look."""
    monkeypatch.setattr(quota, "INTERVAL", 0.0)


class TestTotals:
    """A worker counts each second."""

    def test_are_what_counts(self, no_pause: None) -> None:
        for _ in range(5):
            kept()
        counted(waiting=1, waiting_bytes=9)
        quota.check_quota(FEW)
        quota.check_quota(SMALL)
        counted(waiting=2, waiting_bytes=9)
        with pytest.raises(QuotaFull, match="2 payloads of demo"):
            quota.check_quota(FEW)
        counted(waiting=1, waiting_bytes=10)
        quota.check_quota(FEW)
        with pytest.raises(QuotaFull, match="10 bytes of demo"):
            quota.check_quota(SMALL)

    def test_of_others_do_not_count(self) -> None:
        counted(waiting=0)
        counted(waiting=9, source="photo")
        quota.check_quota(FEW)

    def test_are_read_once_in_a_while_by_one_small_query(self) -> None:
        counted(waiting=1)
        with CaptureQueriesContext(connection) as queries:
            for _ in range(50):
                quota.check_quota(FEW)
                quota.check_quota(SMALL)
        assert len(queries) == 0, "counted itself, though the totals are fresh"

    def test_no_limit_asks_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded_wait, "run_bounded", lambda *_: pytest.fail("asked"))
        quota.check_quota(Source(name="demo"))

    def test_none_is_asked_for_while_the_database_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded_wait, "run_bounded", lambda *_: pytest.fail("asked"))
        breaker.open()
        quota.check_quota(FEW)
        assert not quota.is_quarantine_full(HOOK)


class TestDeadWorker:
    """What was counted last is old, or nothing: the web counts itself."""

    @pytest.fixture(params=["old", "none"], autouse=True)
    def totals(self, request: pytest.FixtureRequest) -> None:
        if request.param == "old":
            counted(seconds_ago=quota.STALE + 1, waiting=0, waiting_bytes=0, quarantined=0)

    @pytest.mark.parametrize("state", State)
    def test_what_waits_or_is_being_handled_counts(self, state: State) -> None:
        for _ in range(2):
            kept()
        RawPayload.objects.update(state=state)
        if state not in quota.WAITING:
            RawPayload.objects.update(next_attempt_at=None)
            quota.check_quota(FEW)
            return
        with pytest.raises(QuotaFull, match="2 payloads of demo"):
            quota.check_quota(FEW)

    def test_bytes_count(self) -> None:
        kept(b"12345")
        quota.check_quota(SMALL)
        quota.forget()
        kept(b"54321")
        with pytest.raises(QuotaFull, match="10 bytes of demo"):
            quota.check_quota(SMALL)

    def test_other_sources_do_not_count(self) -> None:
        for _ in range(3):
            kept(source="photo")
        quota.check_quota(FEW)

    def test_asks_once_in_a_while(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            for _ in range(20):
                quota.check_quota(FEW)
        assert len(queries) < 5

    def test_what_is_done_is_not_walked_through(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            quota.check_quota(SMALL)
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + queries.captured_queries[-1]["sql"])
            assert "raw_due" in str(cursor.fetchall())


class TestQuarantine:
    def test_is_full_of_what_the_worker_counted_and_what_came_since(self, no_pause: None) -> None:
        counted(quarantined=1)
        assert not quota.is_quarantine_full(HOOK)
        quota.note_quarantined("demo")
        assert quota.is_quarantine_full(HOOK)
        counted(quarantined=1, seconds_ago=-1)  # what came since is gone
        assert not quota.is_quarantine_full(HOOK)
        counted(quarantined=2, seconds_ago=-1)
        assert quota.is_quarantine_full(HOOK)

    def test_without_a_worker_the_web_counts(self) -> None:
        for _ in range(2):
            kept()
        RawPayload.objects.update(state=State.QUARANTINED, next_attempt_at=None)
        assert quota.is_quarantine_full(HOOK)

    def test_while_the_database_is_away_what_came_counts(self) -> None:
        breaker.open()
        for _ in range(2):
            assert not quota.is_quarantine_full(HOOK)
            quota.note_quarantined("demo")
        assert quota.is_quarantine_full(HOOK)


def test_a_database_without_totals_is_no_reason_to_refuse(sqlite_file: Any) -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(SourceTotal)
    quota.check_quota(FEW)
    assert breaker.is_open()
