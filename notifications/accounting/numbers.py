"""Which numbers of one writer have come, and which are missing."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

#: The highest number where it is not known: what comes next is taken as it is.
UNKNOWN: Final = -1
#: Runs that are kept waiting; beyond that the oldest are given up early.
MOST_RUNS: Final = 1000


class Run(NamedTuple):
    """Numbers that are missing, and the times of the writer's entries around them, in microseconds."""

    first: int
    last: int
    since: int | None
    until: int
    #: When it was noticed, or others of the same run came late: the rest may be on its way as well.
    stirred: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Numbers:
    """`came()` for each number of a writer, from 1, in the order of the journal."""

    def __init__(self, highest: int = 0, runs: Iterable[Sequence[Any]] = ()) -> None:
        self.highest = highest
        #: What is missing, lowest first.
        self.runs = [Run(*run) for run in runs]

    @property
    def missing(self) -> int:
        """How many numbers are missing."""
        return sum(run.size for run in self.runs)

    def came(self, number: int, time: int, before: int | None) -> None:
        """An entry with this number was written at `time`; `before` is the time of the writer's entry before it."""
        if number != self.highest + 1:
            if number <= self.highest or (self.runs and number <= self.runs[-1].last):
                self._came_late(number, time)
                return
            if self.highest != UNKNOWN:
                self.runs.append(Run(self.highest + 1, number - 1, before, time, time))
        self.highest = number

    def forget(self) -> None:
        """Whatever lies before the next number is not known. What is missing so far stays missing."""
        self.highest = UNKNOWN

    def _came_late(self, number: int, time: int) -> None:
        index = bisect_right(self.runs, number, key=lambda run: run.first) - 1
        if index < 0 or number > self.runs[index].last:
            return  # it came before
        run = self.runs[index]
        halves = run._replace(last=number - 1, stirred=time), run._replace(first=number + 1, stirred=time)
        self.runs[index : index + 1] = [half for half in halves if half.size]

    def give_up(self, is_over: Callable[[int], bool]) -> list[Run]:
        """Take the runs away that have waited long enough, by the time when they were last stirred."""
        early = len(self.runs) - MOST_RUNS
        over = [run for index, run in enumerate(self.runs) if index < early or is_over(run.stirred)]
        gone = {run.first for run in over}
        self.runs = [run for run in self.runs if run.first not in gone]
        return over
