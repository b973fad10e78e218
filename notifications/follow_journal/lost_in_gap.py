"""Counts the events lost in a gap of the journal: the numbers of each process continue after the gap.

A tally is saved in the database with each position. A gap has times: entries that a process wrote between its last one
before the gap and its first one after it may have been in the gap. Of a process that writes no more nothing is known.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from notifications.events import process_token
from notifications.events.process_token import Birth
from notifications.journal import Entry, Gap

#: The most processes to remember: those whose entries came last.
MOST_WRITERS: Final = 100
#: After the token of SERIES events. They need to be known when they are read again, and are not missed.
OF_SERIES: Final = "#"
#: The most gaps to remember, for processes that write seldom.
MOST_GAPS: Final = 20


@dataclass(slots=True)
class CountedGap:
    """A gap, its times in microseconds, and the number of events known to be missing in it."""

    position: str
    since: int
    until: int
    count: int = 0
    changed: bool = False
    #: How many of them the series `lost` has.
    told: int = 0

    def add(self, events: int) -> None:
        self.count += events
        self.changed = True

    def overlaps(self, since: int, until: int) -> bool:
        """Whether entries written between these two times may have been in it."""
        return since < self.until and self.since < until


@dataclass(slots=True)
class LastEntry:
    """One process: its highest number, the time of its last entry, and whether it wrote END."""

    number: int
    time: int
    ended: bool = False


class Hole(NamedTuple):
    """Numbers in a gap; some may come late."""

    first: int
    last: int
    gap: CountedGap

    def has(self, number: int) -> bool:
        return self.first <= number <= self.last


class Tally:
    """For one channel's position in one journal. `saved` is a result of `dump()`."""

    def __init__(self, trusted: Collection[int], saved: Mapping[str, Any] | None = None) -> None:
        self._trusted = frozenset(map(str, trusted))
        saved = saved or {}
        #: Processes that started later begin with number 1.
        self._known_since = self._start_of(saved)
        self._writers = {token: LastEntry(*last) for token, last in saved.get("writers", {}).items()}
        self._holes: dict[str, list[Hole]] = {}
        self._last: Entry | None = None
        self._last_us: int | None = max((last.time for last in self._writers.values()), default=None)
        self.gaps = [CountedGap(*gap) for gap in saved.get("gaps", [])]
        for gap in self.gaps:
            gap.told = gap.count

    def add_gap(self, gap: Gap) -> Gap:
        """Remembers a gap, before the entries after it are read. Returns it with all its known times."""
        since = gap.since_us or self._last_us
        if all(known.position != gap.position for known in self.gaps):
            until = gap.until_us or time.time_ns() // 1000
            self.gaps = [*self.gaps, CountedGap(gap.position, since or 0, until)][-MOST_GAPS:]
        return replace(gap, since_us=since)

    def end_gap(self, entry: Entry) -> None:
        """This is the first new entry after the last gap: the entries in between had been read before."""
        if self.gaps:
            self.gaps[-1].until = entry.time_us

    def recorded_gaps(self) -> list[Gap]:
        """The gaps of earlier processes and of this one."""
        return [Gap(gap.position, "recorded before", since_us=gap.since, until_us=gap.until) for gap in self.gaps]

    def has_passed(self, entry: Entry) -> bool | None:
        """Whether this entry was read before. None if its process is unknown."""
        token, number = self._number_of(entry)
        last = self._writers.get(token)
        if last is None:
            return None
        return number <= last.number and not any(hole.has(number) for hole in self._holes.get(token, ()))

    def passed(self, entry: Entry) -> None:
        """An entry was read. Call it for each, in the journal's order."""
        self._last, self._last_us = entry, entry.time_us
        token, number = self._number_of(entry)
        if not number:
            return
        last = self._writers.pop(token, None) or self._before_first(token, number, entry.time_us)
        of_series = token.endswith(OF_SERIES)
        if number > last.number + 1 and not of_series:
            self._count_missing(token, last, number, entry.time_us)
        elif number <= last.number:
            self._count_late(token, number)
        last.number, last.time = max(number, last.number), entry.time_us
        last.ended = last.ended or of_series or entry.fields.get("PROPPY_EVENT") == "END"
        self._writers[token] = last  # now at the end
        if len(self._writers) > MOST_WRITERS:
            self._forget_one()

    def forget(self) -> None:
        """The entries that come next were read before."""
        self._writers.clear()
        self._known_since, self._last = process_token.now(), None

    def dump(self, position: str) -> dict[str, Any] | None:
        """What to save with a position. None unless it is the position of the last entry."""
        if self._last is None or self._last.position != position:
            return None
        writers = {token: [last.number, last.time, last.ended] for token, last in self._writers.items()}
        gaps = [[gap.position, gap.since, gap.until, gap.count] for gap in self.gaps]
        return {"position": position, "since": list(self._known_since), "writers": writers, "gaps": gaps}

    def _start_of(self, saved: Mapping[str, Any]) -> Birth:
        """If it was saved in another boot, all processes of this boot started later."""
        since = Birth(*saved["since"]) if "since" in saved else process_token.now()
        return since if since.boot == process_token.boot() else Birth(process_token.boot(), 0)

    def _number_of(self, entry: Entry) -> tuple[str, int]:
        """Token and number; ("", 0) if the entry has none, or is by an untrusted user."""
        written, uid = entry.fields.get("PROPPY_ID"), entry.fields.get("_UID")
        if not isinstance(written, str) or not isinstance(uid, str) or uid not in self._trusted:
            return "", 0
        if match := process_token.ID.fullmatch(written):
            return match[1], int(match[2])
        match = process_token.SERIES_ID.fullmatch(written)
        return (match[1] + OF_SERIES, int(match[2])) if match else ("", 0)

    def _before_first(self, token: str, number: int, time_us: int) -> LastEntry:
        """For a new process: number 0 at its start. If it may have started before the tally, no number is missing."""
        birth = process_token.birth_of(token)
        born_us = process_token.time_of(birth) if birth else None
        if born_us is None or birth is None or birth <= self._known_since:
            return LastEntry(number - 1, time_us)
        return LastEntry(0, born_us)

    def _count_missing(self, token: str, last: LastEntry, number: int, time_us: int) -> None:
        """Counts the numbers in between for the last gap that may hold them. Without one the accountant counts them."""
        gap = next((gap for gap in reversed(self.gaps) if gap.overlaps(last.time, time_us)), None)
        if gap is not None:
            gap.add(number - last.number - 1)
            self._holes.setdefault(token, []).append(Hole(last.number + 1, number - 1, gap))

    def _count_late(self, token: str, number: int) -> None:
        """The number came late, so it was not lost."""
        for hole in self._holes.get(token, ()):
            if hole.has(number):
                hole.gap.add(-1)

    def _forget_one(self) -> None:
        """Forgets the process that was silent for longest; first those that have ended."""
        ended = (token for token, last in self._writers.items() if last.ended)
        token = next(ended, None) or next(iter(self._writers))
        if not self._writers.pop(token).ended:
            self._known_since = process_token.now()
        self._holes.pop(token, None)
