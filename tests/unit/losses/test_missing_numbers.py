"""Numbers of a writer: whatever comes in whatever order, what came and what is missing is the whole."""

import json
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from notifications.losses.missing_numbers import MOST_RUNS, UNKNOWN, Numbers, Run

#: Some of the first numbers in any order, some of them twice.
ANY: Final = st.lists(st.integers(1, 60), max_size=120)


def numbers_of(runs: list[Run]) -> set[int]:
    return {number for run in runs for number in range(run.first, run.last + 1)}


def fill(numbers: Numbers, came: list[int]) -> Numbers:
    for time, number in enumerate(came):
        numbers.came(number, time, None)
    return numbers


@given(ANY)
def test_what_came_and_what_is_missing_is_the_whole(came: list[int]) -> None:
    numbers = fill(Numbers(), came)
    assert numbers.highest == max(came, default=0)
    assert numbers_of(numbers.runs) == set(range(1, numbers.highest + 1)) - set(came)
    assert numbers.missing + len(set(came)) == numbers.highest
    assert numbers.runs == sorted(numbers.runs)
    assert all(before.last + 1 < after.first for before, after in zip(numbers.runs, numbers.runs[1:], strict=False))


@given(st.permutations(range(1, 40)), st.sets(st.integers(1, 39)), st.integers(0, 39))
def test_lost_and_come_are_all_also_when_kept_in_between(order: list[int], dropped: set[int], cut: int) -> None:
    came = [number for number in order if number not in dropped]
    numbers = fill(Numbers(), came[:cut])
    again = fill(Numbers(numbers.highest, json.loads(json.dumps(numbers.runs))), came[cut:])
    assert sum(run.size for run in again.give_up(lambda _: True)) + len(came) == again.highest
    assert again.runs == []


@given(ANY, ANY)
def test_what_was_given_up_is_not_given_up_again(first: list[int], then: list[int]) -> None:
    numbers = fill(Numbers(), first)
    lost = numbers_of(numbers.give_up(lambda _: True))
    again = numbers_of(fill(numbers, then).runs)
    assert lost & again == set()
    assert lost | again | set(first) | set(then) == set(range(1, max([*first, *then], default=0) + 1))


@given(st.integers(1, 60), ANY)
def test_a_writer_that_began_unseen(first: int, came: list[int]) -> None:
    numbers = fill(Numbers(UNKNOWN), [first, *came])
    assert numbers_of(numbers.runs) == set(range(first, numbers.highest + 1)) - {first, *came}


def test_after_a_gap_the_next_number_is_taken_as_it_is_and_older_holes_stay() -> None:
    numbers = fill(Numbers(), [1, 2, 10])
    numbers.forget()
    fill(numbers, [5, 100, 102])
    assert numbers_of(numbers.runs) == {3, 4, 6, 7, 8, 9, 101}


def test_the_times_around_a_hole() -> None:
    numbers = Numbers()
    numbers.came(1, 100, None)
    numbers.came(5, 300, 100)
    assert numbers.runs == [Run(2, 4, 100, 300, 300)]


def test_what_comes_late_gives_hope_for_the_rest_of_its_run_alone() -> None:
    """A queue that is being emptied comes in order; threads that overtake each other prove nothing."""
    numbers = Numbers()
    for number, time in ((1, 0), (5, 10), (10, 20), (3, 30)):
        numbers.came(number, time, None)
    assert [(run.first, run.last, run.changed_at) for run in numbers.runs] == [(2, 2, 30), (4, 4, 30), (6, 9, 20)]
    assert [run.first for run in numbers.give_up(lambda changed_at: changed_at <= 20)] == [6]
    assert [run.first for run in numbers.runs] == [2, 4]


def test_memory_is_bounded() -> None:
    numbers = fill(Numbers(), list(range(2, 2 * MOST_RUNS + 22, 2)))
    assert len(numbers.runs) == MOST_RUNS + 10
    assert [run.first for run in numbers.give_up(lambda _: False)] == list(range(1, 20, 2))
    assert len(numbers.runs) == MOST_RUNS


def test_huge_numbers() -> None:
    numbers = fill(Numbers(), [10**18 - 1])
    assert numbers.missing == 10**18 - 2
