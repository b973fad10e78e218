"""What log lines say beside their text: the payload that they belong to, and in the journal their priority.

Neither depends on who logs: a handler's own code and libraries do, too.
"""

import io
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from notifications.events.in_hand import receipt_in_hand

if TYPE_CHECKING:
    from notifications.models import RawPayload

_current: Final[ContextVar[str]] = ContextVar("payload", default="")
#: This logger's lines name the payload themselves, for projects without the filter.
ENGINE: Final = "notifications.process_raw.handle_payload"


def attempt_of(payload: "RawPayload") -> str:
    """The name of an attempt in all its lines: "stripe 0a3c… attempt 2"."""
    return f"{payload} attempt {payload.attempts}"


@contextmanager
def handling(payload: "RawPayload") -> Iterator[None]:
    """In the block, all lines that this thread logs name the payload and its attempt; its events carry the receipt."""
    token, receipt = _current.set(attempt_of(payload)), receipt_in_hand.set(payload.receipt)
    try:
        yield
    finally:
        receipt_in_hand.reset(receipt)
        _current.reset(token)


class PayloadFilter(logging.Filter):
    """For a handler of LOGGING: sets each record's `payload`, such as " [stripe 0a3c… attempt 2]", or ""."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = "" if record.name == ENGINE else _current.get()
        record.payload = f" [{current}]" if current else ""
        return True


#: Priorities of the journal (man sd-daemon), by the lowest level of logging that has it.
PRIORITIES: Final = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
DEBUG: Final = 7
STDERR: Final = 2
#: journald ends a line at these.
LINE_START: Final = re.compile(r"(?:\A|(?<=[\n\0]))(?=[^\n\0])")
UNMARKED: Final = re.compile(rf"{LINE_START.pattern}(?!<[0-7]>)")


class JournalFormatter(logging.Formatter):
    """For a handler of LOGGING that writes to stderr: if that is the journal, each line gets its record's priority.

    `journal_stream` is the variable JOURNAL_STREAM, which systemd sets; "" changes nothing. The prefix <3> is read by
    journald, and not stored. Each line of a traceback has it, so no logged text can choose another priority.
    """

    def __init__(self, *arguments: Any, journal_stream: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_journal = is_journal(journal_stream)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return LINE_START.sub(f"<{_priority(record.levelno)}>", text) if self._in_journal else text


def mark_stderr(journal_stream: str) -> None:
    """Give what a process prints to stderr the priority of errors, if that is the journal: tracebacks, last words.

    Lines that have a priority keep it. Call it at the start of a program, with the variable JOURNAL_STREAM.
    """
    if is_journal(journal_stream) and not isinstance(sys.stderr, _MarkedStderr):
        sys.stderr = _MarkedStderr()


def is_journal(journal_stream: str) -> bool:
    """Whether stderr is the stream that systemd made: a shell or a pipe inherits the variable, too."""
    try:
        status = os.fstat(STDERR)
    except OSError:  # closed
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def _priority(level: int) -> int:
    return next((priority for lowest, priority in PRIORITIES.items() if level >= lowest), DEBUG)


class _MarkedStderr(io.TextIOWrapper):
    def __init__(self) -> None:
        raw = io.FileIO(STDERR, "w", closefd=False)
        super().__init__(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=True
        )
        self._at_start = True

    def write(self, text: str) -> int:
        """Tracebacks come in pieces of lines."""
        start = 0 if self._at_start else text.find("\n") + 1 or len(text)
        super().write(text[:start] + UNMARKED.sub(f"<{PRIORITIES[logging.ERROR]}>", text[start:]))
        self._at_start = text.endswith("\n") if text else self._at_start
        return len(text)
