"""Tracks the numbers of one process: which came, and which are missing."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

#: In place of the highest number: any number may come next.
UNKNOWN: Final = -1
#: The most runs to remember. If there are more, the oldest are given up early.
MOST_RUNS: Final = 1000


class Run(NamedTuple):
    """Missing numbers, and the times of the entries around them, in microseconds."""

    first: int
    last: int
    since: int | None
    until: int
    #: When it was noticed, or when a number of it came late: the rest may come too.
    changed_at: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Numbers:
    """Call `came()` for each number of a process, in the journal's order. Numbers begin with 1."""

    def __init__(self, highest: int = 0, runs: Iterable[Sequence[Any]] = ()) -> None:
        self.highest = highest
        #: Missing numbers, lowest first.
        self.runs = [Run(*run) for run in runs]

    @property
    def missing(self) -> int:
        """The count of missing numbers."""
        return sum(run.size for run in self.runs)

    def came(self, number: int, time: int, before: int | None) -> None:
        """The entry with this number was written at `time`, and the process's entry before it at `before`."""
        if number != self.highest + 1:
            if number <= self.highest or (self.runs and number <= self.runs[-1].last):
                self._came_late(number, time)
                return
            if self.highest != UNKNOWN:
                self.runs.append(Run(self.highest + 1, number - 1, before, time, time))
        self.highest = number

    def forget(self) -> None:
        """Accept any number next. The numbers missing so far stay missing."""
        self.highest = UNKNOWN

    def _came_late(self, number: int, time: int) -> None:
        index = bisect_right(self.runs, number, key=lambda run: run.first) - 1
        if index < 0 or number > self.runs[index].last:
            return  # it came before
        run = self.runs[index]
        halves = run._replace(last=number - 1, changed_at=time), run._replace(first=number + 1, changed_at=time)
        self.runs[index : index + 1] = [half for half in halves if half.size]

    def give_up(self, is_final: Callable[[int], bool]) -> list[Run]:
        """Removes and returns the runs for which `is_final(changed_at)` is true."""
        early = len(self.runs) - MOST_RUNS
        lost = [run for index, run in enumerate(self.runs) if index < early or is_final(run.changed_at)]
        gone = {run.first for run in lost}
        self.runs = [run for run in self.runs if run.first not in gone]
        return lost
