"""Rounds: what is compared is measured in turn, so that all meet the same load of the machine."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(count: int, *measures: Callable[[], T]) -> list[list[T]]:
    """The results of each measure, by round. The first round warms up and is not counted."""
    rounds = [[measure() for measure in measures] for _ in range(count + 1)]
    return [list(results) for results in zip(*rounds[1:], strict=True)]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
