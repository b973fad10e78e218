"""Detects whether all of a request has come. Only gunicorn decides what it means, and whether it is valid."""

import re
from enum import Enum, auto
from typing import Final

HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]+)[ \t]*\r?\n", re.IGNORECASE)
CODED: Final = re.compile(rb"\ntransfer-encoding[ \t]*:", re.IGNORECASE)
WAITS: Final = re.compile(rb"\nexpect:[ \t]*100-continue[ \t]*\r?\n", re.IGNORECASE)
CHUNK: Final = re.compile(rb"([0-9a-fA-F]+)[ \t]*(?:;[^\r\n]*)?\r\n")
#: Bytes. gunicorn refuses longer heads, and longer size lines of chunks.
LONGEST_HEAD: Final = 64 * 1024
LONGEST_LINE: Final = 8 * 1024
MOST_DIGITS: Final = 18


class State(Enum):
    """How much of a request has come."""

    MORE = auto()  # is to come
    WHOLE = auto()
    INVALID = auto()  # whatever comes next
    TOO_LARGE = auto()
    HEAD_TOO_LARGE = auto()


class WholeRequest:
    """The bytes of a request so far, at most `longest` after its head."""

    def __init__(self, longest: int) -> None:
        self.data = bytearray()
        #: Whether the client waits for 100 Continue. The caller resets it.
        self.waits = False
        self._longest = longest
        self._searched = 0
        self._body_at: int | None = None
        self._length = 0
        #: Where the next chunk begins, if there are chunks.
        self._chunk_at: int | None = None

    def feed(self, piece: bytes) -> State:
        """Take the next bytes."""
        self.data += piece
        if self._body_at is None and not self._head_came():
            return State.HEAD_TOO_LARGE if len(self.data) > LONGEST_HEAD else State.MORE
        if (self._body_at or 0) > LONGEST_HEAD:
            return State.HEAD_TOO_LARGE
        begun = len(self.data) - (self._body_at or 0)
        if self._chunk_at is not None:
            state = self._chunks_state(self._chunk_at)
            return State.TOO_LARGE if state is State.MORE and begun > self._longest else state
        if self._length > self._longest:
            return State.TOO_LARGE
        return State.WHOLE if begun >= self._length else State.MORE

    def _head_came(self) -> bool:
        blank = len(self.data) - len(self.data.lstrip(b"\r\n"))  # empty lines before a request are ignored
        found = HEAD_END.search(self.data, max(blank, self._searched))
        if found is None:
            self._searched = max(0, len(self.data) - 3)
            return False
        head, self._body_at = bytes(self.data[: found.end()]), found.end()
        length = LENGTH.search(head)
        self._length = _number(length[1], 10) if length else 0
        self._chunk_at = found.end() if CODED.search(head) else None
        self.waits = WAITS.search(head) is not None
        return True

    def _chunks_state(self, at: int) -> State:
        while found := CHUNK.match(self.data, at):
            size = _number(found[1], 16)
            if not size:  # trailers may follow; an empty line ends them
                return State.WHOLE if self.data.find(b"\r\n\r\n", found.end() - 2) >= 0 else State.MORE
            if size > self._longest:
                return State.TOO_LARGE
            end = found.end() + size
            if len(self.data) < end + 2:
                return State.MORE
            if self.data[end : end + 2] != b"\r\n":
                return State.INVALID
            at = self._chunk_at = end + 2
        line = self.data[at : at + LONGEST_LINE]
        return State.INVALID if b"\n" in line or len(line) == LONGEST_LINE else State.MORE


def _number(digits: bytes, base: int) -> int:
    """The number. Of a huge one only the first digits: they already exceed any request."""
    return int(digits.lstrip(b"0")[:MOST_DIGITS] or b"0", base)
