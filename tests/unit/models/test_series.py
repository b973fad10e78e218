"""Series of points, and the histograms in them."""

from datetime import UTC, datetime, timedelta

import pytest

from notifications.models.series import EPOCH, Series, Step
from notifications.utils.histogram import BOUNDS, added, bucket_of, counts_of, quantile, text_of
from notifications.utils.sums import Sum

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("step", "start"),
    [
        (Step.MINUTE, NOON + timedelta(minutes=34)),
        (Step.HOUR, NOON),
        (Step.DAY, NOON - timedelta(hours=12)),
        (Step.EVER, EPOCH),
    ],
)
def test_a_moment_falls_into_one_row_of_each_step(step: Step, start: datetime) -> None:
    assert step.start_of(NOON + timedelta(minutes=34, seconds=56, microseconds=7)) == start


@pytest.mark.django_db
def test_what_was_counted_since_ever_comes_by_name_and_label() -> None:
    Series.objects.create(step=Step.EVER, start=EPOCH, name="requests", label="GET /", count=7)
    Series.objects.create(step=Step.DAY, start=NOON, name="requests", label="GET /", count=5)
    assert list(Series.objects.ever()) == [("requests", "GET /", Sum(7))]


def test_a_histogram_gives_quantiles_within_its_buckets() -> None:
    buckets = [0] * (len(BOUNDS) + 1)
    for milliseconds in [*[10.0] * 98, 200.0, 200.0]:
        buckets[bucket_of(milliseconds)] += 1
    median, p99 = quantile(buckets, 0.5), quantile(buckets, 0.99)
    assert median is not None
    assert 8 < median <= 11.32
    assert p99 is not None
    assert 181 < p99 < 256
    assert quantile([0, 0], 0.5) is None
    assert quantile([0] * len(BOUNDS) + [1], 0.5) == BOUNDS[-1]


def test_the_bucket_of_a_bound_is_the_one_that_ends_there() -> None:
    assert [bucket_of(0.0), bucket_of(1.0), bucket_of(1.1), bucket_of(1e9)] == [0, 0, 1, len(BOUNDS)]


def test_histograms_add_up_though_one_is_short() -> None:
    assert added([1, 2], [1]) == [2, 2]
    assert counts_of(text_of([1, 0, 2])) == [1, 0, 2]
    assert counts_of("") == []
