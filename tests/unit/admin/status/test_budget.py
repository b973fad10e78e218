"""Errors per million requests, and the budget of one."""

from datetime import UTC, datetime, timedelta

import pytest

from notifications.admin.status.budget import Budget, Rate, all_is_well, rates
from notifications.admin.status.periods import PERIODS, Period, Window
from notifications.admin.status.read_series import overview
from notifications.models import Series
from notifications.models.series import Step

NOW = datetime(2026, 11, 30, 12, 34, 56, tzinfo=UTC)
SPENT = "900,000 requests allow less than one error; there were 2 — 1,100,000 without an error make it whole"


def add(step: Step, start: datetime, count: int, name: str = "requests", label: str = "") -> None:
    Series.objects.create(step=step, start=start, name=name, label=label, count=count)


@pytest.mark.django_db
@pytest.mark.parametrize("shown", PERIODS.values())
def test_each_period_is_added_up_from_its_own_rows(shown: Period) -> None:
    minute, hour, day = (step.start_of(NOW) for step in (Step.MINUTE, Step.HOUR, Step.DAY))
    add(Step.MINUTE, minute - timedelta(minutes=1), 10)
    add(Step.MINUTE, minute - timedelta(minutes=60), 10)
    add(Step.MINUTE, minute - timedelta(minutes=61), 1000)
    add(Step.HOUR, hour, 200)
    add(Step.HOUR, hour - timedelta(hours=24), 1000)
    add(Step.DAY, day, 3000)
    add(Step.DAY, day - timedelta(days=29), 3000)
    add(Step.DAY, day - timedelta(days=30), 100_000)
    add(Step.DAY, day, 3, "errors")
    add(Step.DAY, day, 999, label="GET /")
    found = rates(overview(Window(shown, NOW)).periods)
    assert [(each.requests, each.errors) for each in found] == [(20, 0), (200, 0), (6000, 3)]


@pytest.mark.django_db
def test_without_requests() -> None:
    found = rates(overview(Window(PERIODS["day"], NOW)).periods)
    assert [each.words for each in found] == ["no requests"] * 3


@pytest.mark.parametrize(
    ("requests", "errors", "words", "is_over"),
    [
        (0, 0, "no requests", False),
        (10, 0, "0", False),
        (3_000_000, 1, "0.33", False),
        (1_000_000, 1, "1", False),
        (999_999, 1, "1", True),
        (20_000, 1, "50", True),
        (10, 10, "1,000,000", True),
    ],
)
def test_a_rate_in_words(requests: int, errors: int, words: str, is_over: bool) -> None:
    rate = Rate("", requests, errors)
    assert (rate.words, rate.is_over) == (words, is_over)


@pytest.mark.parametrize(
    ("requests", "errors", "words", "facts"),
    [
        (0, 0, "unused", "One error per million requests is allowed."),
        (20_000, 0, "all of it", "20,000 requests allow less than one error; there were 0"),
        (4_000_000, 1, "75 %", "4,000,000 requests allow 4 errors; there was 1"),
        (1_000_000, 1, "nothing", "1,000,000 requests allow 1 error; there was 1"),
        (
            900_000,
            2,
            "nothing",
            "900,000 requests allow less than one error; there were 2 — 1,100,000 without an error make it whole",
        ),
    ],
)
def test_what_is_left_of_the_budget(requests: int, errors: int, words: str, facts: str) -> None:
    budget = Budget(Rate("", requests, errors))
    assert (budget.words, budget.facts) == (words, facts)


def test_without_any_error_one_sentence_says_so() -> None:
    assert all_is_well([Rate("Last hour", 7, 0), Rate("Last 30 days", 12_345, 0)]) == (
        "No error in any request: 7 in the last hour, 12,345 in the last 30 days. All of the budget of 30 days is left."
    )
    assert all_is_well([Rate("Last hour", 7, 0), Rate("Last 30 days", 12_345, 1)]) == ""
    assert all_is_well([Rate("Last hour", 0, 0)]).startswith("No requests were counted")
