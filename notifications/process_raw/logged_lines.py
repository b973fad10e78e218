"""What a handler logs, kept while its attempt runs: for the record of the attempt, should it fail.

Records are noted as they are made, whichever logger makes them and wherever they go. They become text only if
somebody asks: a success costs next to nothing.
"""

import logging
import time
import traceback
from collections import deque
from contextvars import ContextVar
from typing import Any, Final, Self

from notifications.utils import graphemes

#: The last lines of an attempt, and characters of each.
MOST: Final = 100
LONGEST: Final = 1000
#: Its lines are about attempts: they say what the record says anyway.
ENGINE: Final = "notifications.process_raw.handle_payload"

_lines: Final[ContextVar["LoggedLines | None"]] = ContextVar("logged_lines", default=None)


class LoggedLines:
    """In the block, the last records that this thread and its contexts log. It is empty after the block.

    Calling it gives their text: time since the start, level, logger, message. No generator: that would cost twice as
    much, and each payload pays for it.
    """

    __slots__ = ("_started", "_token", "records")

    def __enter__(self) -> Self:
        self._started = time.time()
        self.records: deque[logging.LogRecord | str] = deque(maxlen=MOST)
        self._token = _lines.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _lines.reset(self._token)
        self.records.clear()  # their tracebacks hold the handler's variables

    def __call__(self) -> str:
        """May be called from another thread, while the handler hangs."""
        records = self.records.copy()
        return "\n".join(
            each if isinstance(each, str) else self._line(each)
            for each in records
            if isinstance(each, str) or each.name != ENGINE
        )

    def add(self, record: logging.LogRecord) -> None:
        """Of the record before, which was handled by now, the text is enough: it may hold large values and frames.

        One that no formatter has made into text stays: its arguments may ask the database, in its transaction.
        """
        before = self.records[-1] if self.records else ""
        if not isinstance(before, str) and "message" in before.__dict__ and before.name != ENGINE:
            self.records[-1] = self._line(before)
        self.records.append(record)

    def _line(self, record: logging.LogRecord) -> str:
        after = max(0.0, record.created - self._started)
        return f"+{after:.3f} s {record.levelname} {record.name}: {graphemes.first(_message(record), LONGEST, '…')}"


def _message(record: logging.LogRecord) -> str:
    """As a formatter made it, which may have taken secrets out."""
    try:
        text = str(record.__dict__.get("message") or record.getMessage())
        error = record.exc_info[1] if record.exc_info else None
        return text if error is None else f"{text}\n{''.join(traceback.format_exception_only(error)).strip()}"
    except Exception:  # noqa: BLE001  a bug in what was logged
        return "(its text cannot be made)"


# No handler of the root logger: with one, Python would no longer print warnings where a project configures none.
_make_before: Final = logging.getLogRecordFactory()


def _make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = _make_before(*args, **kwargs)
    if (lines := _lines.get()) is not None:
        lines.add(record)
    return record


logging.setLogRecordFactory(_make_record)
