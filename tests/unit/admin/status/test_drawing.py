"""Numbers of lines, bars and axes."""

import re
from itertools import pairwise

import pytest

from notifications.admin.status.drawing import HEIGHT, bars, dash, path, round_seconds, round_top, spread
from notifications.admin.status.ends import End, ends
from notifications.admin.status.marks import Text, mark_texts
from notifications.admin.status.releases import Mark


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (1.2, 2), (3, 4), (10, 10), (11, 20), (22_000, 40_000), (1e6, 1e6)]
)
def test_the_top_of_an_axis_is_round(most: float, top: float) -> None:
    assert round_top(most) == top


@pytest.mark.parametrize(
    ("most", "top"), [(0, 10), (61, 120), (3601, 7200), (604_800, 604_800), (700_000, 10 * 86_400)]
)
def test_the_top_of_an_axis_of_time_reads_well(most: float, top: float) -> None:
    assert round_seconds(most) == top


def test_a_line_has_gaps_where_nothing_is_known() -> None:
    assert path([0, 1, None, 1, 0], 1) == "M100.0 140.0L300.0 0.0M700.0 0.0L900.0 140.0"


def test_a_lonely_point_is_seen() -> None:
    assert path([None, 1, None, None], 2) == "M372.0 70.0h6"


def test_nothing_draws_nothing() -> None:
    assert path([], 1) == path([None], 1) == bars([], 1) == bars([0, None], 1) == ""


def test_what_is_above_the_top_stays_in_the_drawing() -> None:
    assert path([5, 5], 1) == "M250.0 0.0L750.0 0.0"


def test_a_bar_stands_on_the_axis_and_the_smallest_is_seen() -> None:
    assert bars([1, 0, 1e-9, 0], 1) == "M25.0 140v-140.0h200.0V140zM525.0 140v-1.5h200.0V140z"


@pytest.mark.parametrize("heights", [[5, 5, 5], [HEIGHT, HEIGHT, HEIGHT - 1], [0, 70, 140], [70], []])
def test_letters_at_the_ends_of_lines_do_not_cover_each_other(heights: list[float]) -> None:
    moved = spread(heights)
    order = sorted(moved)
    assert all(high - low >= 13 for low, high in pairwise(order))
    assert max(moved, default=0) <= HEIGHT
    assert [moved[at] for at in sorted(range(len(heights)), key=lambda at: heights[at])] == order


def test_lines_that_end_alike_have_their_letters_together_and_moved_ones_a_line_to_them() -> None:
    found = ends({"A": 140.0, "B": 139.0, "C": 20.0, "D": 138.0, "E": 140.0})
    assert found == [End("C", "42"), End("ABD", "149", "156", "145"), End("E", "162")]
    assert ends({}) == []


def test_the_slot_that_runs_is_a_dash_joined_to_none() -> None:
    assert dash([None, 1, None, 0.5], 1) == "M275.0 0.0h200.0M775.0 70.0h200.0"


def test_of_marks_that_are_close_the_last_has_its_name() -> None:
    marks = [Mark("0.9", -1), Mark("1.0.0", 3), Mark("1.1.0", 50), Mark("a-name-that-is-long", 54)]
    assert mark_texts(marks, 60) == [
        Text("84.60%", "a-name-that…", "end"),
        Text("78.33%", "", "end"),
        Text("4.70%", "1.0.0", "start"),
    ]


def test_all_numbers_are_such_as_svg_reads() -> None:
    """No exponents, no thousands separators."""
    assert re.fullmatch(r"[MLhvVz\d. -]+", path([1e-12, 1e12], 1e12) + bars([1e-12, 1e12], 1e12))
