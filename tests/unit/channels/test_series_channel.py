"""The channel SERIES: each event counts once, in its own minute, hour and day, whatever it says."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import make_channel
from notifications.channels.series import MOST_LABELS, SeriesChannel, sums_of
from notifications.database.transactions import atomic
from notifications.events.event import SERIES, Event
from notifications.events.series import pieces
from notifications.events.series_events import LARGEST, LONGEST_AGO
from notifications.models import Series
from notifications.models.series import EPOCH, Step
from notifications.utils.sums import Sum
from tests.support.child import BASE_DIR

NOON: Final = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
Numbers = tuple[int, float, float, str]


def event(series: Any, minute: datetime = NOON, *, written: timedelta = MINUTE, **data: Any) -> Event:
    fields = {"minute": int(minute.timestamp()), "series": series} | data
    return Event(SERIES, "web", minute + written, fields)


def requests(count: int, ms: float = 2.0, *, label: str = "GET /", **more: Any) -> Event:
    return event({"requests": {label: [count, count * ms, ms, f"0,0,{count}"]}}, **more)


def deliver(*events: Event) -> None:
    with atomic():
        SeriesChannel(SERIES).prepare_delivery(events)()


def rows(step: Step = Step.MINUTE, name: str = "requests") -> dict[tuple[datetime, str], Numbers]:
    found = Series.objects.filter(step=step, name=name).order_by("start", "label")
    return {(row.start, row.label): (row.count, row.total, row.highest, row.buckets) for row in found}


@pytest.mark.usefixtures("database")
class TestRows:
    def test_each_step_and_all_labels_together(self) -> None:
        deliver(requests(2), requests(1, 4.0, label="GET /photos/"))
        one, other = (2, 4.0, 2.0, "0,0,2"), (1, 4.0, 4.0, "0,0,1")
        for step, start in (
            (Step.MINUTE, NOON),
            (Step.HOUR, NOON),
            (Step.DAY, NOON - timedelta(hours=12)),
            (Step.EVER, EPOCH),
        ):
            assert rows(step) == {
                (start, ""): (3, 8.0, 4.0, "0,0,3"),
                (start, "GET /"): one,
                (start, "GET /photos/"): other,
            }

    def test_what_comes_later_is_added(self) -> None:
        deliver(requests(2, 5.0))
        deliver(requests(1), requests(1, minute=NOON + MINUTE))
        assert rows() == {
            (NOON, ""): (3, 12.0, 5.0, "0,0,3"),
            (NOON, "GET /"): (3, 12.0, 5.0, "0,0,3"),
            (NOON + MINUTE, ""): (1, 2.0, 2.0, "0,0,1"),
            (NOON + MINUTE, "GET /"): (1, 2.0, 2.0, "0,0,1"),
        }
        assert rows(Step.HOUR)[NOON, ""] == (4, 14.0, 5.0, "0,0,4")

    def test_an_event_that_comes_late_counts_in_its_minute(self) -> None:
        deliver(requests(1, minute=NOON + timedelta(hours=3)))
        deliver(requests(1, written=timedelta(hours=3)))
        assert rows()[NOON, ""] == (1, 2.0, 2.0, "0,0,1")
        assert rows(Step.DAY)[NOON - timedelta(hours=12), ""][0] == 2

    def test_some_say_themselves_what_all_labels_are_together(self) -> None:
        deliver(event({"waiting": {"": [1, 5, 5, ""], "photo": [1, 3, 3, ""], "mail": [1, 2, 2, ""]}}))
        assert rows(name="waiting")[NOON, ""] == (1, 5.0, 5.0, "")

    def test_labels_are_bounded_in_each_row_s_time(self) -> None:
        for start in (0, 150):
            labels = {f"GET /{number}/": [1, 1, 1, "1"] for number in range(start, start + 150)}
            deliver(event({"requests": labels}))
        found = rows()
        assert len(found) == MOST_LABELS + 2
        assert found[NOON, "other"] == (100, 100.0, 1.0, "100")
        assert found[NOON, ""] == (300, 300.0, 1.0, "300")
        deliver(event({"requests": {"GET /0/": [1, 1, 1, "1"], "GET /299/": [1, 1, 1, "1"]}}, NOON + MINUTE))
        assert rows()[NOON + MINUTE, "GET /299/"] == (1, 1.0, 1.0, "1")
        ever = rows(Step.EVER)
        assert ever[EPOCH, "GET /0/"][0] == 2
        assert ever[EPOCH, "other"][0] == 101

    def test_a_batch_writes_a_row_of_a_day_once(self) -> None:
        events = [requests(1, minute=NOON + number * MINUTE) for number in range(60)]
        with CaptureQueriesContext(connection) as queries:
            deliver(*events)
        assert len([each for each in queries if "SELECT" in each["sql"]]) <= len(Step) + 1
        assert rows(Step.DAY)[NOON - timedelta(hours=12), ""][0] == 60
        assert len(rows()) == 120

    def test_nothing_sensible_is_no_statement(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            SeriesChannel(SERIES).prepare_delivery([event(None)])()
        assert len(queries) == 0

    def test_names_that_databases_refuse(self) -> None:
        deliver(requests(1, label="a\0\ud800"), requests(1, label="é" * 500))
        assert {label for _, label in rows()} == {"", "a\ufffd?", "é" * 200}

    def test_the_largest_numbers_fit(self) -> None:
        most = [LARGEST - 1, float(LARGEST - 1), float(LARGEST - 1), f"{LARGEST - 1}"]
        for _ in range(2):
            deliver(*[event({"requests": {"a": most}})] * 200)
        assert rows(Step.EVER)[EPOCH, "a"][0] == 400 * (LARGEST - 1)
        Series.objects.update(count=2**63 - 2)
        deliver(event({"requests": {"a": most}}))
        assert rows()[NOON, "a"][0] == 2**63 - 1


def test_the_engine_makes_it_without_a_setting() -> None:
    assert isinstance(make_channel(SERIES), SeriesChannel)
    assert not make_channel(SERIES).harmless


def test_settings_may_import_channels_before_there_are_models() -> None:
    subprocess.run([sys.executable, "-c", "import notifications.channels"], cwd=BASE_DIR, check=True)


@pytest.mark.parametrize(
    "series",
    [
        None,
        [],
        {"requests": []},
        {"requests": {"a": 7}},
        {"requests": {"a": [1, 1, 1]}},
        {"requests": {"a": [-1, 1, 1, ""]}},
        {"requests": {"a": [True, 1, 1, ""]}},
        {"requests": {"a": [1, float("nan"), 1, ""]}},
        {"requests": {"a": [1, float("inf"), 1, ""]}},
        {"requests": {"a": [1, 10**400, 1, ""]}},
        {"requests": {"a": [1, 1, "1", ""]}},
        {"requests": {"a": [LARGEST, 1, 1, ""]}},
        {"requests": {"a": [1, 1, 1, "x"]}},
        {"requests": {"a": [1, 1, 1, "-1"]}},
        {"requests": {"a": [1, 1, 1, ",".join("1" * 32)]}},
        {"requests": {"a": [1, 1, 1, "9" * 999]}},
        {"requests": {"a": [1, 1, 1, "9" * 100_000]}},
        {"requests": {f"{number}": [1, 1, 1, ""] for number in range(5001)}},
    ],
)
def test_what_says_nothing_sensible_counts_nothing_and_stops_nothing(
    series: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert sums_of([event(series), requests(1)]) == sums_of([requests(1)])
    assert "counts nothing" in caplog.text


def test_series_of_a_newer_release_are_passed_over() -> None:
    both = event({"requests": {"GET /": [1, 2.0, 2.0, "0,0,1"]}, "tomorrow's": {"a": "any"}})
    assert sums_of([both]) == sums_of([requests(1)])


@pytest.mark.parametrize(
    ("minute", "counted"),
    [
        (NOON + timedelta(seconds=59), NOON),
        (NOON + MINUTE, NOON + MINUTE),
        (NOON + timedelta(minutes=4), NOON + MINUTE),
        (NOON + MINUTE - LONGEST_AGO, NOON + MINUTE - LONGEST_AGO),
        (NOON - LONGEST_AGO, NOON + MINUTE),
        (datetime(9999, 1, 1, tzinfo=UTC), NOON + MINUTE),
    ],
)
def test_a_minute_far_from_its_event_is_of_a_clock_that_was_set(minute: datetime, counted: datetime) -> None:
    data = event({"requests": {"GET /": [1, 2, 2, ""]}}, minute).data
    found = sums_of([Event(SERIES, "web", NOON + MINUTE, data)])
    assert {start for _, start, _ in found} == {counted}


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, JSON)
def test_any_data(minute: Any, series: Any) -> None:
    sums_of([Event(SERIES, "web", NOON, {"minute": minute, "series": series})])


@given(st.dictionaries(st.sampled_from(["requests", "handled"]), st.dictionaries(st.text(), st.integers(0, 2**50))))
def test_what_is_written_is_read(counts: Mapping[str, Mapping[str, int]]) -> None:
    series = {name: {label: Sum(count) for label, count in labels.items()} for name, labels in counts.items()}
    found = sums_of(event(piece) for piece in pieces(series))
    for name, labels in counts.items():
        total = sum(labels.values())
        if labels:
            assert found[name, NOON, ""].count == total
