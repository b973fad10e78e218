"""Reads journald through journalctl, which always fits the host's journal format. FACTS on which it rests:

- `-f` alone shows only the current boot (systemd#36102), so a pass without it comes first, then `-f --no-tail`
  from the last cursor.
- `--after-cursor` loses an entry when its cursor was vacuumed (systemd#30288): `--cursor`, then the first entry
  is dropped if it is that one.
- `journalctl -f` never sees a journal whose folder was made after its start: then it is started anew.
"""

import errno
from datetime import datetime

from notifications.journal.base import Entry, Gap, Reader
from notifications.journal.journalctl import Journalctl, command
from notifications.journal.journald_state import journal_folders
from notifications.journal.lines import parse, time_us


class JournaldReader(Reader):
    """Positions are cursors. `after` must have been checked by `check_cursor`, whose answer is `gap`."""

    interval = 1.0

    def __init__(
        self,
        namespace: str,
        identifier: str,
        after: str | None,
        since: datetime | None,
        gap: Gap | None,
        *,
        follow: bool,
    ) -> None:
        self.gap = gap
        self._namespace = namespace
        self._match = f"SYSLOG_IDENTIFIER={identifier}"
        self._follow = follow
        self._since_us = int(since.timestamp() * 1e6) if since else 0
        self._cursor = after
        self._cursor_matches = False
        self._journalctl: Journalctl | None = None
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

    def read(self, limit: int) -> list[Entry]:
        entries: list[Entry] = []
        while len(entries) < limit:
            line = self._journalctl.lines.pop() if self._journalctl else None
            if line is not None:
                entry = self._entry(line)
                if entry is not None:
                    entries.append(entry)
            elif not self._more(have=bool(entries)):
                break
        return entries

    def _more(self, *, have: bool) -> bool:
        """Get further lines from journalctl. False where none are there now. `have`: raise nothing yet."""
        if self._journalctl is None:
            if not self.exhausted:
                raise OSError(errno.EBADF, "the reader is closed, or its journalctl ended: open a new one")
            return False
        if self._journalctl.fill():
            self.skipped += self._journalctl.lines.take_skipped()
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
            self._folders = journal_folders(self._namespace)
        self._following = following
        self._first = True
        self._journalctl = Journalctl(command(self._namespace, *arguments, self._match))

    def _entry(self, line: bytes) -> Entry | None:
        fields = parse(line)
        microseconds = None if fields is None else time_us(fields)
        cursor = None if fields is None else fields.get("__CURSOR")
        if fields is None or microseconds is None or not isinstance(cursor, str):
            self.skipped += 1
            return None
        if self._first and self._is_repeated(cursor):
            return None
        self._cursor, self._cursor_matches = cursor, True
        if microseconds < self._since_us:
            return None
        self._since_us = 0  # only at the start: the clock may be set back later
        return Entry(cursor, microseconds, fields)

    def _is_repeated(self, cursor: str) -> bool:
        """Is the first entry of a pass the last one of the pass before? It must be, unless it was removed."""
        self._first = False
        if cursor == self._cursor:
            return True
        if self._cursor is not None and self._cursor_matches:
            self.gap = Gap(self._cursor, "the entry at this position was removed")
        return False

    def _folders_changed(self) -> bool:
        return journal_folders(self._namespace) != self._folders
