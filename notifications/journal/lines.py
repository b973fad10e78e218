"""Entries as lines of JSON, in the shape that `journalctl -o json` prints: those of the file journal."""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

from notifications.journal.base import encode

#: Bytes. Longer lines are passed over, so that a reader's memory is bounded.
MAX_LINE = 1024 * 1024


class LineBuffer:
    """Cuts chunks into lines. `offset` is where the line last popped ended; it starts as given."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._overlong = 0
        self._oversized = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Call it when `pop()` has nothing left."""
        first, newline, tail = chunk.partition(b"\n")
        self._rest += first
        if newline:
            self._end_line()
            *lines, self._rest = tail.split(b"\n")
            self._lines.extend(lines)
        if len(self._rest) > MAX_LINE:
            self._overlong += len(self._rest)
            self._rest = b""

    def _end_line(self) -> None:
        if self._overlong:
            self.offset += self._overlong + len(self._rest) + 1
            self._oversized += 1
            self._overlong = 0
        else:
            self._lines.append(self._rest)

    def pop(self) -> bytes | None:
        """The next whole line without its end, or None."""
        if not self._lines:
            return None
        line = self._lines.popleft()
        self.offset += len(line) + 1
        return line

    def take_oversized(self) -> int:
        """How many lines were too long since this was last asked."""
        oversized, self._oversized = self._oversized, 0
        return oversized

    @property
    def incomplete(self) -> bool:
        """Is there the beginning of a line, so far not too long, whose end has not come yet?"""
        return bool(self._rest) and not self._overlong

    @property
    def overlong(self) -> bool:
        """Is there the beginning of a line that is too long already?"""
        return bool(self._overlong)


def parse(line: bytes) -> dict[str, Any] | None:
    """The fields of one line, or None where it is no JSON object."""
    try:
        fields = orjson.loads(line)
    except ValueError:
        fields = _parse_leniently(line)
    return fields if isinstance(fields, dict) else None


def _parse_leniently(line: bytes) -> object:
    """What orjson refuses by design: escaped lone surrogates and integers over 64 bits."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def time_us(fields: Mapping[str, Any]) -> int | None:
    """Microseconds since 1970 when the journal took the entry, or None."""
    try:
        return int(fields["__REALTIME_TIMESTAMP"])
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def dump_fields(fields: Mapping[str, str]) -> bytes:
    """`,"KEY":"value"…}`: the end of a line whose beginning is `header.dump_header`.

    As in journald, keys with a leading underscore are dropped: only the journal itself sets those.
    """
    visible = {key: value for key, value in fields.items() if not key.startswith("_")}
    if not visible:
        return b"}"
    try:
        return b"," + orjson.dumps(visible)[1:]
    except TypeError:
        return b"," + orjson.dumps({key: json_value(value) for key, value in visible.items()})[1:]


def json_value(text: str) -> str | list[int]:
    """Text that is no UTF-8 (lone surrogates) as journalctl prints it: an array of byte numbers."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return list(encode(text))
    return text
