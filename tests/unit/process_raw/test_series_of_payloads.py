"""What process_raw counts for the series, what it samples, and how long rows are kept."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import GiveUp, RetryAt
from notifications.models import RawPayload, Series, State
from notifications.models.series import EPOCH, Step
from notifications.process_raw.chores import chores, delete_old_series, sample_waiting
from notifications.process_raw.handle_payload import handle
from notifications.utils.times import utc_now
from tests.support.payloads import claimed, expire, kept, release_expired
from tests.support.series import Counts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Register = Callable[..., None]


@pytest.mark.parametrize("atomic", [True, False])
def test_attempts_that_succeed_and_fail_with_their_time(on_demo: Register, atomic: bool, counts: Counts) -> None:
    outcomes = iter([None, ZeroDivisionError(), GiveUp("no"), RetryAt(timedelta(hours=1)), None])

    def handler(_: RawPayload) -> None:
        if error := next(outcomes):
            raise error

    on_demo(handler, atomic=atomic)
    for _ in range(5):
        kept()
        (payload,) = claimed(1)
        handle(payload)
    found = counts.all()
    assert {key: each.count for key, each in found.items()} == {("handled", "demo"): 2, ("failed", "demo"): 2}
    for each in found.values():
        assert 0 < each.highest < each.total
        assert sum(each.buckets) == 2


def test_an_attempt_whose_worker_died_has_failed(counts: Counts) -> None:
    kept()
    claimed()
    expire()
    release_expired()
    assert counts.counts() == {("failed", "demo"): 1}


def test_a_first_attempt_that_succeeds_asks_nothing_more_of_the_database(on_demo: Register, counts: Counts) -> None:
    on_demo(lambda _: None)
    kept()
    (payload,) = claimed(1)
    with CaptureQueriesContext(connection) as queries:
        handle(payload)
    assert all("series" not in each["sql"] for each in queries)


@pytest.mark.usefixtures("database")
def test_what_waits_is_sampled_by_source_and_together(counts: Counts) -> None:
    for state in State:
        payload = kept()
        finished = {"next_attempt_at": None} if state in {State.DONE, State.DEAD, State.QUARANTINED} else {}
        RawPayload.objects.filter(pk=payload.pk).update(state=state, **finished)
    kept(source="photo")
    RawPayload.objects.filter(state=State.RECEIVED, source="demo").update(next_attempt_at=ago(minutes=2))
    assert sample_waiting.take_sample() == sample_waiting.INTERVAL
    found = {key: each.highest for key, each in counts.all().items()}
    assert found.pop(("oldest", "")) == pytest.approx(120, abs=30)
    assert found == {("waiting", "demo"): 3, ("waiting", "photo"): 1, ("waiting", ""): 4}


def test_nothing_waits_is_a_sample_too(counts: Counts) -> None:
    sample_waiting.take_sample()
    assert {key: (each.count, each.highest) for key, each in counts.all().items()} == {
        ("waiting", ""): (1, 0),
        ("oldest", ""): (1, 0),
    }


def ago(**parts: float) -> datetime:
    return utc_now() - timedelta(**parts)


def test_both_are_chores() -> None:
    assert {"sample what waits", "delete old series"} <= {chore.name for chore in chores()}


def test_old_rows_are_deleted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ages = {Step.EVER: 0, Step.MINUTE: 31, Step.HOUR: 396, Step.DAY: 1830}
    for step, days in ages.items():
        starts = [EPOCH] if step == Step.EVER else [ago(days=days, hours=hours) for hours in (-1, 1, 2, 3)]
        Series.objects.bulk_create(Series(step=step, start=start, name="requests") for start in starts)
    monkeypatch.setattr(delete_old_series, "MOST", 2)
    assert delete_old_series.delete_some() == delete_old_series.SOON
    assert Series.objects.count() == 1 + 3 * 2
    assert delete_old_series.delete_some() == delete_old_series.INTERVAL
    assert sorted(Series.objects.values_list("step", flat=True)) == [0, 60, 3600, 86400]
    with CaptureQueriesContext(connection) as queries:
        delete_old_series.delete_some()
    assert len(queries) == 3, "nothing is locked for nothing"
