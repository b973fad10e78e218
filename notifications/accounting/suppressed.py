"""journald's rate limit: it drops what a unit writes too fast, and says how much once it takes entries again."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from notifications.accounting.numbers import Run
from notifications.accounting.observed import origin_of_unit, visible
from notifications.journal import as_text

#: "Suppressed N messages from UNIT" (systemd's sd-messages.h: SD_MESSAGE_JOURNAL_DROPPED).
MESSAGE_ID: Final = "a596d6fe7bfa4994828e72309e95d61e"
#: Microseconds by which a hole and such a message may lie apart.
AROUND: Final = 60_000_000
#: Such messages that are kept, for the holes of processes that write seldom.
MOST: Final = 100
REASON: Final = "journald's rate limit: {unit}; set LogRateLimitIntervalSec=0"


@dataclass(slots=True)
class Suppressed:
    """One such message. `settled`: it gave the reason of a hole, or was looked at without one."""

    time: int
    unit: str
    count: int
    settled: bool = False

    def explains(self, origin: str, run: Run) -> bool:
        """Whether what this writer misses may be among what was dropped."""
        begin = run.until if run.since is None else run.since
        near = begin - AROUND <= self.time <= run.until + AROUND
        return near and origin.startswith(f"{origin_of_unit(self.unit)} ")


class Suppressions:
    """The last ones of a journal, made from what `dump()` gave."""

    def __init__(self, rows: Iterable[Iterable[Any]]) -> None:
        self._all = [Suppressed(*row) for row in rows]

    def dump(self) -> list[list[Any]]:
        return [[each.time, each.unit, each.count, each.settled] for each in self._all]

    def add(self, time: int, fields: Mapping[str, Any]) -> None:
        """An entry with MESSAGE_ID that journald wrote itself."""
        unit = as_text(fields.get("OBJECT_SYSTEMD_UNIT")) or as_text(fields.get("MESSAGE")).rpartition(" ")[2]
        count = as_text(fields.get("N_DROPPED"))
        if count.isascii() and count.isdigit() and len(count) < 16:
            self._all = [*self._all, Suppressed(time, visible(unit), int(count))][-MOST:]

    def reason_of(self, origin: str, run: Run) -> str:
        """Why these numbers of a writer are missing; "" where journald has said nothing."""
        found = [each for each in self._all if each.explains(origin, run)]
        for each in found:
            each.settled = True
        return REASON.format(unit=found[-1].unit) if found else ""

    def take_unexplained(self, is_over: Callable[[int], bool], holes: Collection[tuple[str, Run]]) -> list[Suppressed]:
        """Those to which no hole has come in time. `holes` are still open, each with its writer's origin."""
        over = [each for each in self._all if not each.settled and is_over(each.time)]
        for each in over:
            each.settled = True
        return [each for each in over if not any(each.explains(*hole) for hole in holes)]
