"""Reads the embedded journal. A position is "<number of the file>:<offset of the entry's end>"."""

import os
import time
from pathlib import Path

from notifications.journal.base import Entry, Gap, Reader, ReadOptions
from notifications.journal.file.files import is_cut, is_position, is_sealed, parse_position, path_of, sequences
from notifications.journal.json_lines import LineBuffer, parse, time_us

_CHUNK = 256 * 1024


def now_us() -> int:
    return time.time_ns() // 1000


class FileReader(Reader):
    interval = 0.05

    def __init__(self, folder: Path, options: ReadOptions) -> None:
        self._folder = folder
        self._reached = max((parse_position(each) for each in options.reached if is_position(each)), default=(0, 0))
        self._follow = options.follow
        self._since_us = options.since_us
        self._after = None if options.after is None else parse_position(options.after)
        self._fd: int | None = None
        self._sequence = 0
        self._read_to = 0
        self._last_us: int | None = None
        #: The file that was reported as damaged.
        self._damaged = 0
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
            self._skip()
            return None
        if microseconds < self._since_us:
            return None
        self._since_us = 0  # only at the start: the clock may be set back later
        self._last_us = microseconds
        if self.gap:
            self.date_gaps(microseconds)
        return Entry(f"{self._sequence}:{self._lines.offset}", microseconds, fields)

    def _skip(self) -> None:
        """Counts a line that is not an entry, unless its file was reported as damaged."""
        self.skipped += self._sequence != self._damaged

    def _fill(self) -> bool:
        """Reads the next bytes, from the next file if this one is sealed. False if nothing is there yet."""
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
        """Opens the next file after one that was read to its end. False if that may still grow, or is the last."""
        assert self._fd is not None  # noqa: S101
        status = os.fstat(self._fd)
        if status.st_size < self._read_to:
            return self._open_truncated()
        if is_sealed(status):
            return self._read_to < status.st_size or self._open_after_sealed(is_cut(self._fd, status))
        if status.st_nlink:
            return False
        return self._open_oldest("the file journal was removed")

    def _open_truncated(self) -> bool:
        """Starts the file again: others may have written to it since, and it is unknown where that begins."""
        self._note_gap(f"file {self._sequence} was truncated", rereads=True)
        self._damaged = self._sequence
        return self._open(self._sequence)

    def _open_after_sealed(self, cut: bool) -> bool:
        existing = sequences(self._folder, missing_ok=True)
        newer = [sequence for sequence in existing if sequence > self._sequence]
        if not newer and existing and existing[-1] < self._sequence:
            return self._open_oldest("the file journal began again")
        if not newer:
            return False
        if cut and self._sequence != self._damaged:
            self._note_gap(f"file {self._sequence} was truncated")
            self._damaged = self._sequence
        elif newer[0] > self._sequence + 1:
            self._note_gap("files were removed before they were read")
        return self._open(newer[0])

    def _start(self) -> bool:
        """Opens the first file to read. False if there is none yet."""
        if self._after is None:
            return self._open_since() if self._since_us else self._open_oldest()
        self._sequence, offset = self._after
        if self._open(self._sequence, offset) and self._is_entry_end(offset):
            self._after = None
            return True
        is_there = self._fd is not None
        self.close()
        existing = sequences(self._folder, missing_ok=True)
        newer = [sequence for sequence in existing if sequence > self._sequence]
        if not existing:
            self.exhausted = not self._follow
            return False
        if is_there:
            self._damaged = self._sequence
            return self._open_oldest("the file is damaged, or is another one")
        if not newer:
            return self._open_oldest("the file is gone")
        self._note_gap("the file was removed")
        return self._open(newer[0])

    def _is_entry_end(self, offset: int) -> bool:
        assert self._fd is not None  # noqa: S101
        return not offset or os.pread(self._fd, 1, offset - 1) == b"\n"

    def _open_since(self) -> bool:
        """Skips files that were last written before `since`."""
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
        """Starts at the oldest file. `lost`: why entries may be missing before it."""
        if lost:
            self._note_gap(lost, rereads=True)
        self.close()
        return any(self._open(sequence) for sequence in sequences(self._folder, missing_ok=True))

    def _note_gap(self, reason: str, *, rereads: bool = False) -> None:
        sequence, offset = self._after or (self._sequence, self._lines.offset)
        self.note_gap(Gap(f"{sequence}:{offset}", reason, since_us=self._last_us, rereads=rereads))
        self._after = None

    def _open(self, sequence: int, offset: int = 0) -> bool:
        """Opens a file. False if it is gone."""
        try:
            fd = os.open(path_of(self._folder, sequence), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self.close()
        if self._lines.incomplete:  # torn, at the end of the file before
            self._skip()
        self.oversized += self._lines.overlong
        self._fd, self._sequence, self._read_to = fd, sequence, offset
        self._lines = LineBuffer(offset)
        self._look_whether_cut(os.fstat(fd).st_size)
        return True

    def _look_whether_cut(self, size: int) -> None:
        """Notes a gap if others have read beyond the file's end. Where it was cut is unknown: it may have grown."""
        sequence, offset = self._reached
        if sequence == self._sequence and size < offset:
            self._reached, self._damaged = (0, 0), sequence
            if self._after is None or self._after[1] <= size:  # else the position itself is after the cut
                reason = f"file {sequence} was truncated"
                self.note_gap(Gap(f"{sequence}:{offset}", reason, since_us=self._last_us, until_us=now_us()))
