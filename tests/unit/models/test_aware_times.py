"""A project with USE_TZ = False: times go in and come out aware, and are UTC, whatever its time zone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications import RetryAt, keep
from notifications.channels import make_channel
from notifications.conf import conf
from notifications.database.fast_sql import fetch_all
from notifications.database.transactions import atomic
from notifications.errors import QuotaFull
from notifications.events.event import Event
from notifications.http.rate_limits import RateLimit
from notifications.intake import quota
from notifications.models import FailureGroup, Position, RawPayload, Series, SourceTotal, State
from notifications.models.series import EPOCH, Step
from notifications.process_raw.chores.count_waiting import count_totals
from notifications.testing import work_off
from notifications.utils.times import utc_now
from tests.support.payloads import claimed, kept

OnDemo = Callable[..., None]
#: In Berlin this hour comes twice, on 25 October 2026.
TWICE = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]


@pytest.fixture(autouse=True)
def naive(database: str, settings: Any) -> Iterator[None]:
    """Of a project that has never heard of time zones."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    assert timezone.is_naive(timezone.now())
    yield
    RateLimit.forget_all()


def test_a_payload_is_stored_handled_and_done(on_demo: OnDemo) -> None:
    on_demo(lambda payload: None)
    before = utc_now()
    receipt = keep("demo", b"x")
    work_off()
    payload = RawPayload.objects.get(receipt=receipt)
    assert payload.state == State.DONE
    assert payload.done_at is not None
    assert before <= payload.received_at <= payload.done_at <= utc_now()


def test_the_row_has_utc(database: str) -> None:
    receipt = kept(not_before=datetime(2027, 7, 1, 12, tzinfo=UTC)).receipt
    if database == "sqlite":
        rows = fetch_all(connection, "SELECT CAST(next_attempt_at AS text) FROM notifications_rawpayload", [])
        assert rows == [("2027-07-01 12:00:00",)]
    assert RawPayload.objects.get(receipt=receipt).next_attempt_at == datetime(2027, 7, 1, 12, tzinfo=UTC)


def test_series_of_an_hour_that_comes_twice_are_kept_apart_and_added_up() -> None:
    for _ in range(2):
        for moment in TWICE:
            data = {"minute": int(moment.timestamp()), "series": {"lost": {"": [1, 0, 0, ""]}}}
            with atomic():
                make_channel("SERIES").deliver([Event("SERIES", "web", moment, data)])
    rows = Series.objects.exclude(step=Step.EVER).order_by("step", "start").values_list("step", "start", "count")
    day = datetime(2026, 10, 25, tzinfo=UTC)
    hours = [moment.replace(minute=0) for moment in TWICE]
    assert list(rows) == [*((60, at, 2) for at in TWICE), *((3600, at, 2) for at in hours), (86400, day, 4)]
    assert [(each.start, each.count) for each in Series.objects.filter(step=Step.EVER)] == [(EPOCH, 4)]


def test_an_hour_that_comes_twice_comes_back_as_the_one_that_it_was() -> None:
    for moment in TWICE:
        Position.objects.create(machine="m", journal=str(moment), channel="C", entry_time=moment)
    assert list(Position.objects.order_by("pk").values_list("entry_time", flat=True)) == TWICE
    assert Position.objects.filter(entry_time__gt=TWICE[0]).count() == 1
    (updated,) = {each.updated_at.tzinfo is not None for each in Position.objects.all()}
    assert updated


def test_what_fails_is_tried_again_when_it_should_be(on_demo: OnDemo) -> None:
    def fail(payload: RawPayload) -> None:
        raise ValueError("no")

    on_demo(fail)
    kept()
    work_off()
    (payload,) = RawPayload.objects.all()
    assert payload.state == State.RETRYING
    assert timedelta(0) < payload.next_attempt_at - payload.received_at < timedelta(minutes=5)
    assert abs(FailureGroup.objects.get().last_at - utc_now()) < timedelta(minutes=5)
    assert RawPayload.objects.all().process_again(apart=timedelta(seconds=1)) == 1


def test_a_naive_time_of_the_project_is_in_its_time_zone(on_demo: OnDemo) -> None:
    naive_time = datetime(2027, 7, 1, 14)
    assert kept(not_before=naive_time).next_attempt_at == datetime(2027, 7, 1, 12, tzinfo=UTC)
    assert RetryAt(naive_time).time == datetime(2027, 7, 1, 12, tzinfo=UTC)
    assert RawPayload.objects.filter(next_attempt_at__gte=naive_time).count() == 1
    assert RawPayload.objects.filter(received_at__gt=timezone.now() - timedelta(minutes=5)).count() == 1


def test_leases_and_times_from_the_future() -> None:
    kept()
    assert claimed(lease=60.0)
    assert RawPayload.objects.expired_tokens() == []
    RawPayload.objects.update(
        state=State.RECEIVED, received_at=utc_now() + timedelta(hours=2), next_attempt_at=utc_now() + timedelta(hours=3)
    )
    assert RawPayload.objects.correct_received() == 1
    (payload,) = RawPayload.objects.all()
    assert payload.next_attempt_at is not None
    assert abs(payload.next_attempt_at - utc_now() - timedelta(hours=1)) < timedelta(minutes=5)


def test_a_capture_believes_the_workers_count(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"few": {"http": True, "max_waiting": 5}}
    for _ in range(3):
        keep("few", b"x")
    count_totals()
    quota.forget()
    source = conf.source("few")
    quota.check_quota(source)
    SourceTotal.objects.update(waiting=5)
    quota.forget()
    with pytest.raises(QuotaFull):
        quota.check_quota(source)
    SourceTotal.objects.update(waiting=5, counted_at=utc_now() - timedelta(minutes=5))
    quota.forget()
    quota.check_quota(source)  # nobody counts any more: it counts itself
