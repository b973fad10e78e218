"""Which archived files are missing between a position and now. It relies on these facts (docs/facts.md):

- The numbers of the entries continue from file to file, over rotation, restart and kill of journald.
- journald removes the oldest files first, and only whole files. Each file begins with an entry of journald itself, so
  a file with an event has at least two entries.
- The files of single users share the numbers, in systemd 252 under ids of their own.
- journalctl ignores a file that is shorter than it was, or whose header is damaged, as if it were missing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from notifications.journal.base import Gap
from notifications.journal.journald.archived_files import JournalFile, Listing
from notifications.journal.journald.cursor import Cursor

#: Entries. A killed journald may lose one number without losing a file.
SMALLEST: Final = 2
NAME: Final = re.compile(r".+@([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{16})\.journal")


class Archived(NamedTuple):
    """What the name of an archived file says about its first entry: id, number and time."""

    name: str
    id: str
    head: int
    time_us: int


class Missing(NamedTuple):
    """Numbers of a series that cannot be read, and the times of the entries around them."""

    id: str
    first: int
    last: int
    since_us: int | None
    #: None if it is unknown where they end: no file of the series comes after them.
    until_us: int | None
    #: The archived files with these numbers, as far as journalctl does not read them.
    ignored: str = ""

    @property
    def gap(self) -> Gap:
        """The gap to report."""
        what = f"journalctl cannot read {self.ignored}" if self.ignored else "an archived file is missing"
        if self.until_us is None:
            return Gap(self.ignored, what, since_us=self.since_us)
        reason = what + _size(self.last - self.first + 1)
        return Gap(f"s={self.id};i={self.first:x}", reason, since_us=self.since_us, until_us=self.until_us)

    def has(self, series: str, number: int | None) -> bool:
        """Whether the entry with this number is one of them."""
        return series == self.id and number is not None and self.first <= number <= self.last


def missing_after(listing: Listing, after: Cursor | None) -> list[Missing]:
    """What is missing after an entry, or anywhere. [] if some files are not readable: these may have the numbers."""
    if listing.forbidden:
        return []
    ignored = [archived for path in listing.ignored if (archived := archived_of(path))]
    files = sorted(listing.files, key=lambda file: (file.id, file.head))
    holes = [hole for _, series in groupby(files, lambda file: file.id) for hole in _holes(series, after)]
    found = [_named(hole, ignored) for hole in holes if not _is_shared(hole, files)]
    at_end = [
        each for each in ignored if _is_after(each, after) and not any(hole.has(each.id, each.head) for hole in found)
    ]
    return found + [Missing(each.id, each.head, each.head, each.time_us, None, each.name) for each in at_end]


def removed_by_damage(gap: Gap, listing: Listing, position: Cursor) -> Gap:
    """The gap at a position that is gone. It gets another reason if journald did not remove the position."""
    older = any(file.id == position.id and file.head < (position.number or 0) for file in listing.files)
    if not older:
        return gap
    return replace(
        gap, count=None, reason=f"the archived file with this position is damaged or missing{_size(gap.count)}"
    )


def archived_of(path: Path) -> Archived | None:
    """None if the name is not that of an archived file."""
    match = NAME.fullmatch(path.name)
    return Archived(path.name, match[1], int(match[2], 16), int(match[3], 16)) if match else None


def _holes(series: Iterable[JournalFile], after: Cursor | None) -> Iterator[Missing]:
    """Finds the holes in the files of one series, which are in order."""
    reach, since_us = None, None
    for file in series:
        if reach is None:
            is_ours = after is not None and file.id == after.id
            reach, since_us = (after.number, after.time_us) if after and is_ours else (None, None)
            reach = file.head - 1 if reach is None else reach
        if file.head > reach + SMALLEST and (after is None or file.head_us > (after.time_us or 0)):
            yield Missing(file.id, reach + 1, file.head - 1, since_us, file.head_us)
        if file.tail > reach:
            reach, since_us = file.tail, file.tail_us


def _named(hole: Missing, ignored: Iterable[Archived]) -> Missing:
    return hole._replace(ignored=", ".join(each.name for each in ignored if hole.has(each.id, each.head)))


def _is_shared(hole: Missing, files: Iterable[JournalFile]) -> bool:
    """Whether entries of other series may have these numbers."""
    return any(
        file.id != hole.id
        and file.head <= hole.last
        and file.tail >= hole.first
        and (hole.until_us is None or file.head_us <= hole.until_us)
        and file.tail_us >= (hole.since_us or 0)
        for file in files
    )


def _size(count: int | None) -> str:
    return "" if count is None else f" ({count} entries, of events and others)"


def _is_after(file: Archived, after: Cursor | None) -> bool:
    if after is None or after.number is None:
        return True
    return file.head > after.number if file.id == after.id else file.time_us > (after.time_us or 0)
