"""Reads journald through journalctl, which always knows the host's journal format. Its traps (docs/facts.md):

- `-f` alone shows only the current boot (systemd#36102). So a pass without `-f` comes first, then `-f --no-tail` from
  the last cursor.
- `--after-cursor` of systemd 252 loses an entry if its cursor was vacuumed (systemd#30288). So `--cursor` is used, and
  the first entry is dropped if it is the one at the cursor.
- `journalctl -f` never sees a journal whose folder was made after its start. Then it is started again.
- It skips damaged files and entries silently, or ends at one, and a damaged index hides good entries from a filter. So
  a `thorough` reader first checks that the files are there and whole. It reads damaged files without a filter, and
  skips entries that journalctl cannot print.
"""

import errno
from typing import Final

from notifications.journal.base import Entry, Reader, ReadOptions
from notifications.journal.journald.archived_files import list_files
from notifications.journal.journald.bell import Bell, bells
from notifications.journal.journald.cursor import gap_between, parse_cursor
from notifications.journal.journald.export_format import Fields
from notifications.journal.journald.inspection import PAUSE, Inspection
from notifications.journal.journald.journalctl import Journalctl, command
from notifications.journal.journald.missing_files import Missing, removed_by_damage
from notifications.journal.journald.skip_damage import skip_damage
from notifications.journal.journald.stored_entries import entry_at, journal_folders
from notifications.journal.journald.what_to_read import Source
from notifications.journal.json_lines import time_us

#: The exit code of journalctl at an entry that it cannot print.
FAILED: Final = 1


class JournaldReader(Reader):
    """Positions are cursors. Raises ValueError if `after` is not a cursor, and OSError if journalctl does not work."""

    interval = 1.0

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self._source = source
        self._inspection = Inspection(source.namespace) if options.thorough and not source.archive else None
        self._filtered = True
        self._follow = options.follow
        self._since_us = options.since_us
        self._cursor = options.after
        self._journalctl: Journalctl | None = None
        self._bell: Bell | None = None
        self._inspects = False
        #: Entries that journalctl may have missed. Those that come are removed.
        self._missed: list[Missing] = []
        #: The first entry that is left from the position on.
        self._base = options.after
        #: Whether the next pass should begin with the entry at the cursor. If it does not, the entry was removed.
        self._expects_cursor = options.after is not None and not self._look_for_gap(options.after)
        self._begin()

    def fileno(self) -> int | None:
        return None if self._journalctl is None else self._journalctl.fileno()

    @property
    def pid(self) -> int | None:
        """The pid of the running journalctl."""
        return None if self._journalctl is None else self._journalctl.pid

    def close(self) -> None:
        self._inspects = False
        if self._journalctl is not None:
            self._journalctl.close()
            self._journalctl = None
        if self._bell is not None:
            bells.give_back(self._bell)
            self._bell = None

    def read(self, limit: int) -> list[Entry]:
        if self.follows and self._inspection:
            self._missed += self._inspection.look_again(self._cursor)
        entries: list[Entry] = []
        while len(entries) < limit:
            fields = self._journalctl.entries.pop() if self._journalctl else None
            if fields is not None:
                entry = self._entry(fields)
                if entry is not None:
                    entries.append(entry)
            elif not self._more(have=bool(entries)):
                break
        return entries

    def _more(self, *, have: bool) -> bool:
        """Gets more entries from journalctl. False if there are none now. `have`: do not raise yet."""
        if self._journalctl is None:
            return self._more_without_journalctl()
        if self._journalctl.fill():
            self.oversized += self._journalctl.entries.take_oversized()
            return True
        if self._journalctl.ended:
            return not have and self._pass_ended()
        self._note_missed()
        return self.follows and self._folders_changed() and self._restart()

    def _note_missed(self) -> None:
        """All entries were read, so what is missing will not come."""
        for missing in self._missed:
            self.note_gap(missing.gap)
        self._missed.clear()

    def _more_without_journalctl(self) -> bool:
        if self._inspects:
            return self._end_inspection()
        if not self.exhausted:
            raise OSError(errno.EBADF, "the reader is closed, or its journalctl ended: open a new one")
        return False

    def _pass_ended(self) -> bool:
        """After the pass over stored entries, follows new ones. Raises OSError if following ended."""
        journalctl, following = self._journalctl, self.follows
        assert journalctl is not None  # noqa: S101
        error = journalctl.error()
        self.close()
        if error and not following and self._inspection and journalctl.code == FAILED:
            return self._read_around(self._inspection)
        if error or following:
            raise OSError(errno.EIO, error or "journalctl ended, though it was to follow")
        self.exhausted = not self._follow
        self._filtered = True
        if self._follow:
            self._start(following=True)
        return self._follow

    def _read_around(self, inspection: Inspection) -> bool:
        """Continues after an entry that journalctl cannot print. Raises OSError."""
        if not self._filtered and self._cursor is not None:
            self._cursor, gap = skip_damage(self._source.namespace, self._cursor)
            self._expects_cursor = False
            if not inspection.knows_damage_at(gap.position):
                self.note_gap(gap)
        elif not self._filtered:
            raise OSError(errno.EIO, "journalctl cannot read the oldest entry")
        self._filtered = False  # to find the entry just before the damaged one
        self._start(following=False)
        return True

    def _restart(self) -> bool:
        self.close()
        self._base = self._cursor
        self._begin()
        return True

    def _begin(self) -> None:
        """Begins a pass over stored entries: inspects the files first, or starts reading at once."""
        self.follows = False
        if self._inspection is None:
            return self._start(following=False)
        for gap in self._inspection.begin(self._base, self._since_us):
            self.note_gap(gap)
        self._inspects, self.interval = True, PAUSE
        self._end_inspection()
        return None

    def _end_inspection(self) -> bool:
        """Starts reading once the damaged files are known. False until then."""
        assert self._inspection is not None  # noqa: S101  it inspects
        while gaps := self._inspection.find_damage():
            self.note_gap(gaps[0])
        if gaps is None:
            return False
        self._inspects = False
        del self.interval
        self._filtered = not self._inspection.damaged
        self._start(following=False)
        return True

    def _start(self, *, following: bool) -> None:
        source = self._source
        arguments = ["-f", "--no-tail"] if following else []
        if self._cursor is not None:
            arguments.append(f"--cursor={self._cursor}")
        elif self._since_us:
            arguments.append(f"--since=@{self._since_us // 1_000_000}")
        if not following:
            self._folders = journal_folders(source.namespace)
        elif source.links:
            self._bell = bells.take(source.namespace, source.links)
        self.follows = following
        self._first = True
        arguments += source.matches if self._filtered else []
        fields = source.fields if self._filtered else [*source.fields, "SYSLOG_IDENTIFIER"]
        folder = self._bell.folder if self._bell else source.archive
        self._journalctl = Journalctl(command(source.namespace, *arguments, fields=fields, folder=folder))

    def _entry(self, fields: Fields) -> Entry | None:
        microseconds, cursor = time_us(fields), fields.get("__CURSOR")
        if microseconds is None or not isinstance(cursor, str):
            self.skipped += 1
            return None
        if self._first and self._is_repeated(cursor):
            return None
        self._cursor, self._expects_cursor = cursor, True
        if self._missed:
            series, number, _ = parse_cursor(cursor)
            self._missed = [missing for missing in self._missed if not missing.has(series, number)]
        if microseconds < self._since_us or not (self._filtered or self._source.matched(fields)):
            return None
        self._since_us = 0  # only at the start: the clock may be set back later
        return Entry(cursor, microseconds, fields)

    def _is_repeated(self, cursor: str) -> bool:
        """Whether the first entry of a pass is the last one of the pass before. If not, that one was removed."""
        self._first = False
        if cursor == self._cursor:
            return True
        if self._cursor is not None and self._expects_cursor:
            self._look_for_gap(self._cursor)
        return False

    def _look_for_gap(self, cursor: str) -> bool:
        """Reports what was removed after a cursor. False if nothing is left there: then the next entry will show it."""
        namespace, archive = self._source.namespace, self._source.archive
        first = self._base = entry_at(namespace, cursor, folder=archive)
        gap = gap_between(cursor, first) if first is not None else None
        if gap is not None:
            self.note_gap(removed_by_damage(gap, list_files(namespace), parse_cursor(cursor)) if not archive else gap)
        return first is not None

    def _folders_changed(self) -> bool:
        return journal_folders(self._source.namespace) != self._folders
