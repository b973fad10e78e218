"""journald's rate limit: it drops entries of a unit that writes too fast, and later writes one with their number."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from notifications.journal import as_text
from notifications.losses.missing_numbers import Run
from notifications.losses.observed_entry import origin_of_unit, visible

#: The most microseconds between a hole and such an entry.
AROUND: Final = 60_000_000
#: The most such entries to remember, for holes of processes that write seldom.
MOST: Final = 100
REASON: Final = "journald's rate limit: {unit}; set LogRateLimitIntervalSec=0"


@dataclass(slots=True)
class Suppressed:
    """One such entry. `settled`: it explained a hole, or no hole came in time."""

    time: int
    unit: str
    count: int
    settled: bool = False

    def explains(self, origin: str, run: Run) -> bool:
        """Whether journald may have dropped these missing numbers of a process."""
        begin = run.until if run.since is None else run.since
        near = begin - AROUND <= self.time <= run.until + AROUND
        return near and origin.startswith(f"{origin_of_unit(self.unit)} ")


class Suppressions:
    """The last such entries of a journal. `rows` is a result of `dump()`."""

    def __init__(self, rows: Iterable[Iterable[Any]]) -> None:
        self._all = [Suppressed(*row) for row in rows]

    def dump(self) -> list[list[Any]]:
        return [[each.time, each.unit, each.count, each.settled] for each in self._all]

    def add(self, time: int, fields: Mapping[str, Any]) -> None:
        """Remembers an entry with the MESSAGE_ID `SUPPRESSED`, by journald itself."""
        unit = as_text(fields.get("OBJECT_SYSTEMD_UNIT")) or as_text(fields.get("MESSAGE")).rpartition(" ")[2]
        count = as_text(fields.get("N_DROPPED"))
        if count.isascii() and count.isdigit() and len(count) < 16:
            self._all = [*self._all, Suppressed(time, visible(unit), int(count))][-MOST:]

    def reason_of(self, origin: str, run: Run) -> str:
        """Returns why these numbers of a process are missing; "" if journald did not report it."""
        found = [each for each in self._all if each.explains(origin, run)]
        for each in found:
            each.settled = True
        return REASON.format(unit=found[-1].unit) if found else ""

    def take_unexplained(self, is_final: Callable[[int], bool], holes: Collection[tuple[str, Run]]) -> list[Suppressed]:
        """Returns entries that no hole explains in time. `holes` are still open, each with its process's origin."""
        final = [each for each in self._all if not each.settled and is_final(each.time)]
        for each in final:
            each.settled = True
        return [each for each in final if not any(each.explains(*hole) for hole in holes)]
