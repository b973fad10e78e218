"""Reads the embedded journal. A position is "<number of the file>:<offset where the entry ended>"."""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from notifications.journal.base import Entry, Gap, Reader
from notifications.journal.files import is_sealed, parse_position, path_of, sequences
from notifications.journal.lines import LineBuffer, parse, time_us

_CHUNK = 256 * 1024


class FileReader(Reader):
    interval = 0.05

    def __init__(self, folder: Path, after: str | None, since: datetime | None, *, follow: bool) -> None:
        self._folder = folder
        self._follow = follow
        self._since_us = int(since.timestamp() * 1e6) if since else 0
        self._after = None if after is None else parse_position(after)
        self._fd: int | None = None
        self._sequence = 0
        self._read_to = 0
        self._last_us: int | None = None
        self._lines = LineBuffer()

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self, limit: int) -> list[Entry]:
        entries: list[Entry] = []
        while len(entries) < limit:
            line = self._lines.pop()
            if line is None:
                if not self._fill():
                    break
            elif line and (entry := self._entry(line)):
                entries.append(entry)
        return entries

    def _entry(self, line: bytes) -> Entry | None:
        fields = parse(line)
        microseconds = None if fields is None else time_us(fields)
        if fields is None or microseconds is None:
            self.skipped += 1
            return None
        if microseconds < self._since_us:
            return None
        self._since_us = 0  # only at the start: the clock may be set back later
        self._last_us = microseconds
        if self.gap is not None and self.gap.until_us is None:
            self.gap = replace(self.gap, until_us=microseconds)
        return Entry(f"{self._sequence}:{self._lines.offset}", microseconds, fields)

    def _fill(self) -> bool:
        """Get the next bytes, from the next file if this one is sealed. False where nothing is there yet."""
        while self._fd is not None or self._start():
            if self._read_chunk():
                return True
            if not self._next_file():
                break
        self.exhausted = not self._follow
        return False

    def _read_chunk(self) -> bool:
        assert self._fd is not None  # noqa: S101  _fill() opened it
        chunk = os.pread(self._fd, _CHUNK, self._read_to)
        self._read_to += len(chunk)
        self._lines.feed(chunk)
        self.oversized += self._lines.take_oversized()
        return bool(chunk)

    def _next_file(self) -> bool:
        """Go on from a file that was read to its end. False if it may still grow, or is the last."""
        assert self._fd is not None  # noqa: S101
        status = os.fstat(self._fd)
        if is_sealed(status):
            return self._read_to < status.st_size or self._open_after_sealed()
        if status.st_nlink:
            return False
        return self._open_oldest("the file journal was removed")

    def _open_after_sealed(self) -> bool:
        existing = sequences(self._folder, missing_ok=True)
        newer = [sequence for sequence in existing if sequence > self._sequence]
        if not newer and existing and existing[-1] < self._sequence:
            return self._open_oldest("the file journal began anew")
        if not newer:
            return False
        if newer[0] > self._sequence + 1:
            return self._open_oldest("files were removed before they were read")
        return self._open(newer[0])

    def _start(self) -> bool:
        """Open the first file to read. False where there is none yet."""
        if self._after is None:
            return self._open_since() if self._since_us else self._open_oldest()
        self._sequence, offset = self._after
        if self._open(self._sequence, offset) and self._is_entry_end(offset):
            self._after = None
            return True
        self.close()
        if not sequences(self._folder, missing_ok=True):
            self.exhausted = not self._follow
            return False
        return self._open_oldest("the file is gone or is another one")

    def _is_entry_end(self, offset: int) -> bool:
        assert self._fd is not None  # noqa: S101
        return not offset or os.pread(self._fd, 1, offset - 1) == b"\n"

    def _open_since(self) -> bool:
        """Skip files that were last written before `since`."""
        for sequence in sequences(self._folder, missing_ok=True)[:-1]:
            try:
                if path_of(self._folder, sequence).stat().st_mtime_ns // 1000 >= self._since_us:
                    return self._open(sequence)
            except FileNotFoundError:
                continue
        return self._open_newest_or_oldest()

    def _open_newest_or_oldest(self) -> bool:
        existing = sequences(self._folder, missing_ok=True)
        return bool(existing) and (self._open(existing[-1]) or self._open_oldest())

    def _open_oldest(self, lost: str = "") -> bool:
        """Start at the oldest file that is there. `lost`: why entries may be missing before it."""
        if lost:
            after = self._after or (self._sequence, self._lines.offset)
            self.gap = Gap(f"{after[0]}:{after[1]}", lost, since_us=self._last_us)
            self._after = None
        self.close()
        return any(self._open(sequence) for sequence in sequences(self._folder, missing_ok=True))

    def _open(self, sequence: int, offset: int = 0) -> bool:
        """Open a file, unless it is gone (False)."""
        try:
            fd = os.open(path_of(self._folder, sequence), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self.close()
        self.skipped += self._lines.incomplete  # torn, at the end of the file before
        self.oversized += self._lines.overlong
        self._fd, self._sequence, self._read_to = fd, sequence, offset
        self._lines = LineBuffer(offset)
        return True
