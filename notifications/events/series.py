"""SERIES events: what a process has counted in a minute. docs/series.md names the series, which are a contract.

They go past the outbox, and have numbers of their own: a count may be lost, and then no loss is reported. What the
journal does not take now is written with the next minute.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import count
from threading import Lock
from typing import Any, Final

import orjson

from notifications.conf import conf
from notifications.events.emit import process_outbox
from notifications.events.encoding import readable
from notifications.events.event import SERIES
from notifications.events.process_token import new_token
from notifications.journal import EntryTooLarge, event_fields
from notifications.utils import graphemes
from notifications.utils.clean_text import clean, one_line
from notifications.utils.forks import renew_after_fork
from notifications.utils.histogram import text_of
from notifications.utils.sums import Sum

logger = logging.getLogger(__name__)

#: All series there are.
NAMES: Final = frozenset(
    {"requests", "errors", "received", "refused", "handled", "failed", "waiting", "oldest", "lag", "delivered"}
    | {"lost", "dropped", "releases"}
)
#: Characters of a label; a longer one is cut.
LONGEST_LABEL: Final = 200
#: Bytes of the series of one event.
MOST_BYTES: Final = 48_000
#: Events that wait for a journal that takes none: of about an hour.
MOST_WAITING: Final = 60
#: The journal of tests.
MEMORY: Final = "memory://"

#: By name and label.
Series = Mapping[str, Mapping[str, Sum]]


def write(minute: int, series: Series) -> None:
    """Write what was counted in a minute, the second since 1970 at which it began. Never raises.

    It may wait 0.1 s for the journal: not on an event loop.
    """
    try:
        writer.write(minute, _with_release(series))
    except Exception:  # what counts must never fail what is counted
        logger.exception("SERIES of a minute were dropped")


def write_start(now: float) -> None:
    """Mark the release that starts to run, if it has a name."""
    if conf.release:
        write(int(now // 60 * 60), {})


def _with_release(series: Series) -> Series:
    """And the release that has counted this: its requests, else one."""
    if not conf.release:
        return series
    requests = sum(each.count for each in series.get("requests", {}).values())
    return {**series, "releases": {conf.release: Sum(requests or 1)}}


class Writer:
    """The SERIES events of this process."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = Lock()
        self._waiting: deque[dict[str, str]] = deque(maxlen=MOST_WAITING)
        self._token, self._numbers = new_token(), count(1)
        self._is_refused = False

    def write(self, minute: int, series: Series) -> None:
        with self._lock:
            if process_outbox().journal.url == MEMORY:  # the end of a minute must not change what a test finds there
                return
            self._waiting += (self._entry(minute, piece) for piece in pieces(series))
            try:
                while self._waiting:
                    self._write_first()
                self._is_refused = False
            except OSError as error:
                if not self._is_refused:
                    logger.info("The journal takes no SERIES now, they wait for the next minute: %s", error)
                self._is_refused = True

    def _write_first(self) -> None:
        journal = process_outbox().journal
        try:
            journal.write_patiently(journal.encode(self._waiting[0]))
        except EntryTooLarge as error:  # those behind it must not wait for it
            logger.warning("A part of SERIES was dropped: %s", error)
        self._waiting.popleft()

    def _entry(self, minute: int, piece: Mapping[str, Any]) -> dict[str, str]:
        data = orjson.dumps({"minute": minute, "series": piece}).decode()
        return event_fields(SERIES, _program(), f"{self._token}#{next(self._numbers)}", data)


writer = Writer()


def pieces(series: Series) -> Iterator[dict[str, dict[str, list[Any]]]]:
    """The series as their event has them, in pieces of at most MOST_BYTES."""
    piece: dict[str, dict[str, list[Any]]] = {}
    size = 0
    for name, labels in series.items():
        for label, found in _with_short_labels(labels).items():
            values = [found.count, round(found.total, 3), round(found.highest, 3), text_of(found.buckets)]
            more = len(orjson.dumps([name, label, values]))
            if piece and size + more > MOST_BYTES:
                yield piece
                piece, size = {}, 0
            piece.setdefault(name, {})[label] = values
            size += more
    if piece:
        yield piece


def _with_short_labels(labels: Mapping[str, Sum]) -> Mapping[str, Sum]:
    found: dict[str, Sum] = {}
    for label, each in labels.items():
        found.setdefault(graphemes.first(clean(label), LONGEST_LABEL), Sum()).merge(each)
    return found


def _program() -> str:
    """What people know this process by, such as "process_raw" or "gunicorn"."""
    words = [os.path.basename(word) for word in getattr(sys, "argv", [])[:2]]
    is_command = len(words) == 2 and words[0].removesuffix(".py") in {"manage", "django-admin", "__main__"}
    return one_line(readable(words[is_command] if words else "")) or "python"
