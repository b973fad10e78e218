"""Reads journald through journalctl, which always fits the host's journal format. FACTS on which it rests:

- `-f` alone shows only the current boot (systemd#36102), so a pass without it comes first, then `-f --no-tail`
  from the last cursor.
- `--after-cursor` loses an entry when its cursor was vacuumed (systemd#30288): `--cursor`, then the first entry
  is dropped if it is that one.
- `journalctl -f` never sees a journal whose folder was made after its start: then it is started anew.
"""

import errno
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from notifications.journal.base import Entry, Reader
from notifications.journal.export import Fields
from notifications.journal.journalctl import Journalctl, command
from notifications.journal.journald_bell import Bell, bells
from notifications.journal.journald_cursor import gap_between
from notifications.journal.journald_state import entry_at, journal_folders
from notifications.journal.lines import time_us


class Source(NamedTuple):
    """What is read, and the folder that a bell may use."""

    namespace: str
    matches: Sequence[str]
    fields: Sequence[str]
    links: Path | None


class JournaldReader(Reader):
    """Positions are cursors. Raises ValueError for an `after` that is none, OSError where journalctl does not work."""

    interval = 1.0

    def __init__(self, source: Source, after: str | None, since: datetime | None, *, follow: bool) -> None:
        self._source = source
        self._follow = follow
        self._since_us = int(since.timestamp() * 1e6) if since else 0
        self._cursor = after
        #: Whether the next pass must begin with the entry at the cursor, unless that was removed.
        self._expects_cursor = after is not None and not self._look_for_gap(after)
        self._journalctl: Journalctl | None = None
        self._bell: Bell | None = None
        self._start(following=False)

    def fileno(self) -> int | None:
        return None if self._journalctl is None else self._journalctl.fileno()

    @property
    def pid(self) -> int | None:
        """Of the journalctl that runs now."""
        return None if self._journalctl is None else self._journalctl.pid

    def close(self) -> None:
        if self._journalctl is not None:
            self._journalctl.close()
            self._journalctl = None
        if self._bell is not None:
            bells.give_back(self._bell)
            self._bell = None

    def read(self, limit: int) -> list[Entry]:
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
        """Get further entries from journalctl. False where none are there now. `have`: raise nothing yet."""
        if self._journalctl is None:
            if not self.exhausted:
                raise OSError(errno.EBADF, "the reader is closed, or its journalctl ended: open a new one")
            return False
        if self._journalctl.fill():
            self.oversized += self._journalctl.entries.take_oversized()
            return True
        if self._journalctl.ended:
            return not have and self._pass_ended()
        return self._following and self._folders_changed() and self._restart()

    def _pass_ended(self) -> bool:
        """After the pass over what was there follow what comes. Raises OSError if following ended."""
        journalctl, following = self._journalctl, self._following
        assert journalctl is not None  # noqa: S101
        error = journalctl.error()
        self.close()
        if error or following:
            raise OSError(errno.EIO, error or "journalctl ended, though it was to follow")
        self.exhausted = not self._follow
        if self._follow:
            self._start(following=True)
        return self._follow

    def _restart(self) -> bool:
        self.close()
        self._start(following=False)
        return True

    def _start(self, *, following: bool) -> None:
        arguments = ["-f", "--no-tail"] if following else []
        if self._cursor is not None:
            arguments.append(f"--cursor={self._cursor}")
        elif self._since_us:
            arguments.append(f"--since=@{self._since_us // 1_000_000}")
        if not following:
            self._folders = journal_folders(self._source.namespace)
        elif self._source.links:
            self._bell = bells.take(self._source.namespace, self._source.links)
        self._following = following
        self._first = True
        arguments += self._source.matches
        folder = self._bell.folder if self._bell else None
        self._journalctl = Journalctl(
            command(self._source.namespace, *arguments, fields=self._source.fields, folder=folder)
        )

    def _entry(self, fields: Fields) -> Entry | None:
        microseconds, cursor = time_us(fields), fields.get("__CURSOR")
        if microseconds is None or not isinstance(cursor, str):
            self.skipped += 1
            return None
        if self._first and self._is_repeated(cursor):
            return None
        self._cursor, self._expects_cursor = cursor, True
        if microseconds < self._since_us:
            return None
        self._since_us = 0  # only at the start: the clock may be set back later
        return Entry(cursor, microseconds, fields)

    def _is_repeated(self, cursor: str) -> bool:
        """Is the first entry of a pass the last one of the pass before? It must be, unless it was removed."""
        self._first = False
        if cursor == self._cursor:
            return True
        if self._cursor is not None and self._expects_cursor:
            self._look_for_gap(self._cursor)
        return False

    def _look_for_gap(self, cursor: str) -> bool:
        """Report what was removed after a cursor. False where nothing is left there: then the next entry tells."""
        first = entry_at(self._source.namespace, cursor)
        if first is not None:
            self.gap = gap_between(cursor, first)
        return first is not None

    def _folders_changed(self) -> bool:
        return journal_folders(self._source.namespace) != self._folders
