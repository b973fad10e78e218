"""Entries as `journalctl -o export` prints them (systemd.io/JOURNAL_EXPORT_FORMATS): lines KEY=VALUE, an empty line at
the end of each entry. What is no printable text comes as KEY, a newline, its length in 8 bytes, the bytes, a newline.

Not JSON: there each byte that is no UTF-8 becomes a number, and an entry of 30 MB, which any local user may write, took
journalctl 1.2 GB and 5 s; so it takes 130 MB and 0.3 s. And it is twice as fast.
"""

from collections import deque
from typing import Any, Final

from notifications.journal.base import decode

#: Bytes. A larger entry is passed over, so that a reader's memory is bounded: the largest datagram has 213 kB.
LARGEST: Final = 1024 * 1024
_LENGTH: Final = 8

Fields = dict[str, Any]


class Incomplete(Exception):
    """The rest of the entry has not come yet."""


class ExportBuffer:
    """Cuts chunks into entries: fields by name, a list where one is repeated."""

    def __init__(self) -> None:
        self._entries: deque[Fields] = deque()
        self._rest = b""
        self._passing_over: PassingOver | None = None
        self._oversized = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Call it when `pop()` has nothing left."""
        data, start = self._rest + chunk, 0
        try:
            while start < len(data):
                start = self._next(data, start)
        except Incomplete:
            pass
        self._rest = data[start:]
        if len(self._rest) > LARGEST:
            self._passing_over = self._passing_over or PassingOver()
            rest, self._rest = self._rest, b""
            self.feed(rest)

    def _next(self, data: bytes, start: int) -> int:
        """Take one entry; where it ends. Raises Incomplete."""
        if self._passing_over is not None:
            start = self._passing_over.end(data, start)
            if self._passing_over.done:
                self._passing_over = None
                self._oversized += 1
            return start
        end = data.find(b"\n\n", start)
        try:
            lines = data[start:end].decode().split("\n") if end >= 0 else ()
            fields: Fields = dict(line.split("=", 1) for line in lines)  # ValueError without =
        except ValueError:
            fields = {}
        if fields and len(fields) == len(lines):
            end += 2
        else:
            fields, end = parse_entry(data, start)
        if end - start <= LARGEST:
            self._entries.append(fields)
        else:
            self._oversized += 1
        return end

    def pop(self) -> Fields | None:
        """The next whole entry, or None."""
        return self._entries.popleft() if self._entries else None

    def take_oversized(self) -> int:
        """How many entries were too large since this was last asked."""
        oversized, self._oversized = self._oversized, 0
        return oversized


def parse_entry(data: bytes, start: int) -> tuple[Fields, int]:
    """The entry that begins there, of whatever bytes, and where it ends. Raises Incomplete."""
    fields: Fields = {}
    while (line := _line(data, start)) != b"":
        start += len(line) + 1
        key, equals, value = line.partition(b"=")
        if not equals:
            value = _binary(data, start)
            start += _LENGTH + len(value) + 1
        _add(fields, decode(key), decode(value))
    return fields, start + 1


def _line(data: bytes, start: int) -> bytes:
    end = data.find(b"\n", start)
    if end < 0:
        raise Incomplete
    return data[start:end]


def _binary(data: bytes, start: int) -> bytes:
    begin = start + _LENGTH
    end = begin + int.from_bytes(data[start:begin], "little")
    if len(data) <= begin or len(data) <= end:
        raise Incomplete
    return data[begin:end]


def _add(fields: Fields, key: str, value: str) -> None:
    if key not in fields:
        fields[key] = value
    elif isinstance(fields[key], list):
        fields[key].append(value)
    else:
        fields[key] = [fields[key], value]


class PassingOver:
    """Finds the end of an entry without keeping it."""

    def __init__(self) -> None:
        self.done = False
        self._bytes = 0  # of a binary value
        self._in_line = False

    def end(self, data: bytes, start: int) -> int:
        """Where the entry ends, or else all that need not be seen again. Raises Incomplete where nothing is."""
        if self._bytes:
            taken = min(self._bytes, len(data) - start)
            self._bytes -= taken
            return start + taken
        newline = data.find(b"\n", start)
        if newline < 0:
            return self._end_in_line(data, start)
        line, in_line, self._in_line = data[start:newline], self._in_line, False
        self.done = not line and not in_line
        if in_line or not line or b"=" in line:
            return newline + 1
        begin = newline + 1 + _LENGTH
        if len(data) < begin:
            raise Incomplete
        self._bytes = int.from_bytes(data[newline + 1 : begin], "little") + 1
        return begin

    def _end_in_line(self, data: bytes, start: int) -> int:
        if not self._in_line and data.find(b"=", start) < 0:  # it may be the key of a binary value
            raise Incomplete
        self._in_line = True
        return len(data)
