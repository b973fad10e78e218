"""What log lines say beside their text: the payload that they belong to, in the journal their priority and fields.

None of it depends on who logs: a handler's own code and libraries do, too.
"""

import io
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from notifications.conf import conf
from notifications.events.in_hand import receipt_in_hand
from notifications.journal import JournaldJournal
from notifications.utils.log_fields import fields_here, log_fields

if TYPE_CHECKING:
    from notifications.models import RawPayload

#: A payload, and the number of its attempt. They become text when a line is logged: most handlers log none.
_current: Final[ContextVar["tuple[RawPayload, int] | None"]] = ContextVar("payload", default=None)
#: This logger's lines name the payload themselves, for projects without the filter.
ENGINE: Final = "notifications.process_raw.handle_payload"


def attempt_of(payload: "RawPayload") -> str:
    """The name of an attempt in all its lines: "stripe 0a3c… attempt 2"."""
    return _named(payload, payload.attempts)


def _named(payload: "RawPayload", attempt: int) -> str:
    return f"{payload} attempt {attempt}"


@contextmanager
def handling(payload: "RawPayload") -> Iterator[None]:
    """In the block, all lines that this thread logs name the payload and its attempt; its events carry the receipt."""
    token, receipt = _current.set((payload, payload.attempts)), receipt_in_hand.set(payload.receipt)
    try:
        with log_fields(lambda: fields_of(payload)):
            yield
    finally:
        receipt_in_hand.reset(receipt)
        _current.reset(token)


def fields_of(payload: "RawPayload") -> dict[str, str]:
    """What a line about a payload has in the journal; its request, if a middleware gave that an id."""
    return {
        "PROPPY_SOURCE": payload.source,
        "PROPPY_RECEIPT": str(payload.receipt),
        "PROPPY_ATTEMPT": str(payload.attempts),
        "PROPPY_REQUEST": payload.headers.get(REQUEST_ID, "")[:LONGEST_ID],
    }


class PayloadFilter(logging.Filter):
    """For a handler of LOGGING: sets each record's `payload`, such as " [stripe 0a3c… attempt 2]", or ""."""

    def filter(self, record: logging.LogRecord) -> bool:
        payload_in_hand = None if record.name == ENGINE else _current.get()
        current = _named(*payload_in_hand) if payload_in_hand else ""
        record.payload = f" [{current}]" if current else ""
        return True


#: Priorities of the journal (man sd-daemon), by the lowest level of logging that has it.
PRIORITIES: Final = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
DEBUG: Final = 7
#: Of a level's word.
WIDTH: Final = len("warning")
#: The header of a request's id, as payloads keep headers; and the most characters of one.
REQUEST_ID: Final = "x-request-id"
LONGEST_ID: Final = 200
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

    def unmarked(self, record: logging.LogRecord) -> str:
        """Without priorities: the journal has them in a field."""
        return logging.Formatter.format(self, record)

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


class ReadableFormatter(JournalFormatter):
    """For a handler of LOGGING that writes to stderr: on a terminal each record is its time, its level as a word in
    colour, and what happened; DJANGO_COLORS changes or removes the colours. Elsewhere it is as JournalFormatter.

    `piped`: stderr is the pipe of a process runner that puts the time before each line, and shows it on a terminal.
    """

    def __init__(self, *arguments: Any, piped: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._piped = piped

    def format(self, record: logging.LogRecord) -> str:
        if self._in_journal or not (self._piped or sys.stderr.isatty()):
            return super().format(record)
        record.message = record.getMessage()
        when = "" if self._piped else f"{datetime.fromtimestamp(record.created):%H:%M:%S}  "
        text = f"{when}{_painted(record)}  {record.message}"
        text += str(getattr(record, "payload", ""))
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        if record.stack_info:
            text += f"\n{self.formatStack(record.stack_info)}"
        return text


def _painted(record: logging.LogRecord) -> str:
    from django.core.management.color import color_style

    style: Any = color_style(force_color=True)
    paints = {logging.ERROR: style.ERROR, logging.WARNING: style.WARNING}
    paint = next((paint for lowest, paint in paints.items() if record.levelno >= lowest), style.SUCCESS)
    word = record.levelname.lower()
    return f"{paint(word)}{' ' * (WIDTH - len(word))}"


class JournalHandler(logging.StreamHandler[Any]):
    """A handler of LOGGING: as StreamHandler, but in the journal each record is one entry with fields of its own.

    Among them are LOGGER, CODE_FILE, CODE_LINE, PROPPY_RELEASE, and what the record belongs to: PROPPY_SOURCE,
    PROPPY_RECEIPT, PROPPY_ATTEMPT, PROPPY_CHANNEL, PROPPY_REQUEST. `journal_stream` is the variable JOURNAL_STREAM, ""
    changes nothing. What journald does not take at once goes to its stream, as lines. `journald_socket`: another one
    than that beside its stream.
    """

    def __init__(self, stream: Any = None, *, journal_stream: str = "", journald_socket: str = "") -> None:
        super().__init__(stream)
        where = (journald_socket or _beside_stderr()) if is_journal(journal_stream) else ""
        self._journal = JournaldJournal(socket=where) if where else None
        self._identifier = _identifier() if self._journal else ""

    def emit(self, record: logging.LogRecord) -> None:
        if self._journal is None or not self._is_sent(record, self._journal):
            super().emit(record)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
        super().close()

    def _is_sent(self, record: logging.LogRecord, journal: JournaldJournal) -> bool:
        try:
            journal.write(journal.encode(self._fields(record) | {"MESSAGE": self._text(record)}))
        except Exception:  # noqa: BLE001  full, restarting, too large for a datagram; or of somebody's request or payload
            return False  # a record that cannot be formatted is reported by who writes it as lines
        return True

    def _text(self, record: logging.LogRecord) -> str:
        formatter = self.formatter
        return formatter.unmarked(record) if isinstance(formatter, JournalFormatter) else self.format(record)

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        request = getattr(getattr(record, "request", None), "META", {})
        return {
            "PRIORITY": str(_priority(record.levelno)),
            "SYSLOG_IDENTIFIER": self._identifier,
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
            **({"PROPPY_RELEASE": conf.release} if conf.release else {}),
            **({"PROPPY_REQUEST": str(found)[:LONGEST_ID]} if (found := request.get("HTTP_X_REQUEST_ID")) else {}),
            **fields_here(),
        }


def _beside_stderr() -> str:
    """The socket of the journald that stderr is connected to, which may be a namespace's; "" if it is none."""
    try:
        with socket.socket(fileno=os.dup(STDERR)) as stream:
            peer = stream.getpeername()
    except OSError:  # a file
        return ""
    return str(Path(peer).with_name("socket")) if isinstance(peer, str) and peer else ""


def _identifier() -> str:
    """The name of our unit, else of the program. Never the one that events have: a line is none."""
    try:
        unit = Path("/proc/self/cgroup").read_text().strip().rpartition("/")[2]
    except OSError:
        unit = ""
    name = unit.removesuffix(".service").partition("@")[0] if unit.endswith(".service") else Path(sys.argv[0]).name
    return name if name and name != JournaldJournal().identifier else "python"


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
