"""The lines of the file journal: JSON as `journalctl -o json` prints it."""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

from notifications.journal.base import encode

#: Bytes. Longer lines are skipped, so a reader's memory is bounded.
MAX_LINE = 1024 * 1024


class LineBuffer:
    """Cuts chunks into lines. `offset` is the end of the line that was popped last."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._overlong = 0
        self._oversized = 0

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes. Call it when `pop()` returns None."""
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
        """Returns the next whole line without its newline, or None."""
        if not self._lines:
            return None
        line = self._lines.popleft()
        self.offset += len(line) + 1
        return line

    def take_oversized(self) -> int:
        """Returns how many lines were too long since the last call."""
        oversized, self._oversized = self._oversized, 0
        return oversized

    @property
    def incomplete(self) -> bool:
        """Whether the end of the last line has not come yet. That line is not too long so far."""
        return bool(self._rest) and not self._overlong

    @property
    def overlong(self) -> bool:
        """Whether the end of the last line has not come yet, and it is too long already."""
        return bool(self._overlong)


def parse(line: bytes) -> dict[str, Any] | None:
    """Returns the fields of one line, or None if it is not a JSON object."""
    try:
        fields = orjson.loads(line)
    except ValueError:
        fields = _parse_leniently(line)
    return fields if isinstance(fields, dict) else None


def _parse_leniently(line: bytes) -> object:
    """For what orjson refuses by design: escaped lone surrogates, and integers over 64 bits."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def time_us(fields: Mapping[str, Any]) -> int | None:
    """When the journal took the entry, in microseconds since 1970, or None."""
    try:
        return int(fields["__REALTIME_TIMESTAMP"])
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def dump_fields(fields: Mapping[str, str]) -> bytes:
    """Returns the end of a line: `,"KEY":"value"…}`. `json_header.dump_header` returns its beginning.

    As in journald, keys with a leading underscore are dropped: only the journal itself sets them.
    """
    visible = {key: value for key, value in fields.items() if not key.startswith("_")}
    if not visible:
        return b"}"
    try:
        return b"," + orjson.dumps(visible)[1:]
    except TypeError:
        return b"," + orjson.dumps({key: json_value(value) for key, value in visible.items()})[1:]


def json_value(text: str) -> str | list[int]:
    """Text that is not UTF-8 (lone surrogates) becomes an array of byte numbers, as journalctl prints it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return list(encode(text))
    return text
