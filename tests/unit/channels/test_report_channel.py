from datetime import UTC, date, datetime
from typing import Any, Final

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.report import LONGEST_NAME, Report, counts_of
from notifications.events.event import Event
from notifications.models import ReportRow

NOON: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
MAY_1: Final = date(2026, 5, 1)


def event(text: str = "sign-up", time: datetime = NOON, **data: Any) -> Event:
    return Event("REPORT", text, time, data)


def rows() -> dict[tuple[str, date], int]:
    return {(row.name, row.day): row.count for row in ReportRow.objects.all()}


@pytest.mark.django_db
class TestReport:
    def test_counts_by_name_and_day(self) -> None:
        late = datetime(2026, 5, 1, 23, 59, 59, tzinfo=UTC)
        Report("REPORT").deliver([event(), event("upload"), event(time=late), event(time=NOON.replace(day=2))])
        Report("REPORT").deliver([event()])
        assert rows() == {("sign-up", MAY_1): 3, ("upload", MAY_1): 1, ("sign-up", date(2026, 5, 2)): 1}

    @override_settings(TIME_ZONE="Pacific/Auckland")
    def test_the_day_is_that_of_the_time_zone(self) -> None:
        Report("REPORT").deliver([event(time=datetime(2026, 5, 1, 11, 59, tzinfo=UTC)), event()])
        assert rows() == {("sign-up", MAY_1): 1, ("sign-up", date(2026, 5, 2)): 1}

    def test_counts_are_added(self) -> None:
        Report("REPORT").deliver([event(counts={"a": 3, "b": -1}), event(counts={"a": 4}), event("a")])
        assert rows() == {("a", MAY_1): 8, ("b", MAY_1): -1}

    def test_no_counts_are_no_rows(self) -> None:
        Report("REPORT").deliver([event(counts={})])
        Report("REPORT").deliver([])
        assert rows() == {}

    def test_values_that_are_no_numbers_count_nothing(self) -> None:
        bad = {"a": "1", "b": True, "c": None, "d": 1.0, "e": [1], "f": 2**53, "g": -(2**80), "h": float("nan")}
        Report("REPORT").deliver([event(counts=bad | {"good": 2**53 - 1})])
        assert rows() == {("good", MAY_1): 2**53 - 1}

    @pytest.mark.parametrize("counts", [None, 7, "x", [["a", 1]]])
    def test_counts_that_are_no_object_count_the_text(self, counts: Any) -> None:
        Report("REPORT").deliver([event(counts=counts)])
        assert rows() == {("sign-up", MAY_1): 1}

    def test_names_that_databases_refuse(self) -> None:
        Report("REPORT").deliver([event("a\0\ud800"), event(counts={"\0" * 500: 1}), event("é" * 500), event("")])
        assert rows() == {
            ("a\ufffd?", MAY_1): 1,
            ("\ufffd" * LONGEST_NAME, MAY_1): 1,
            ("é" * LONGEST_NAME, MAY_1): 1,
            ("", MAY_1): 1,
        }

    def test_a_batch_of_many_names(self) -> None:
        Report("REPORT").deliver([event(f"{n % 250}") for n in range(500)])
        assert set(rows().values()) == {2}
        assert len(rows()) == 250


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.floats() | st.booleans() | st.text()))
def test_any_counts(counts: dict[str, Any]) -> None:
    for name, count in counts_of(event(counts=counts)).items():
        assert counts[name] is count
        assert type(count) is int
