"""Rounds: what is compared is measured in turn, so that all meet the same load of the machine."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(count: int, *measures: Callable[[], T]) -> list[list[T]]:
    """The results of each measure, by round. The first round warms up and is not counted.

    Each round begins with the next one: what comes before a measure leaves its traces.
    """
    rounds = [_round(measures, first) for first in range(count + 1)]
    return [list(results) for results in zip(*rounds[1:], strict=True)]


def _round(measures: Sequence[Callable[[], T]], first: int) -> list[T]:
    order = [(first + step) % len(measures) for step in range(len(measures))]
    results = {number: measures[number]() for number in order}
    return [results[number] for number in range(len(measures))]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
