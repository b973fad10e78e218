"""Checks the quota of a source. A capture reads the totals that a worker counts (count_waiting.py).

If no worker counts, the web process does: seldom, and only up to the limits.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from django.db import Error
from django.db.models import Sum, TextField, Value
from django.db.models.functions import Concat

from notifications.conf import Source
from notifications.database import bounded_wait
from notifications.database.fast_sql import aware_time, fetch_all, table_of
from notifications.errors import QuotaFull
from notifications.store.database_breaker import breaker
from notifications.utils.forks import renew_after_fork

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between two reads of the totals.
INTERVAL: Final = 1.0
#: Totals this many seconds old are ignored: no worker counts. Also the seconds between two counts of our own.
STALE: Final = 30.0
#: The web process adds up the bytes of at most so many payloads.
COUNTED: Final = 10_000
WAITING: Final = ("received", "retrying", "processing")


class Total(NamedTuple):
    """A source's payloads that wait, their bytes, and its payloads in quarantine."""

    waiting: int = 0
    waiting_bytes: int = 0
    quarantined: int = 0


def check_quota(source: Source) -> None:
    """Raise QuotaFull if `max_waiting` payloads or `max_waiting_bytes` bytes of the source wait."""
    if not (source.max_waiting or source.max_waiting_bytes):
        return
    total = _totals.of(source)
    if source.max_waiting and total.waiting >= source.max_waiting:
        raise QuotaFull(f"{source.max_waiting} payloads of {source.name} already wait")
    if source.max_waiting_bytes and total.waiting_bytes >= source.max_waiting_bytes:
        raise QuotaFull(f"{source.max_waiting_bytes} bytes of {source.name} already wait")


def is_quarantine_full(source: Source) -> bool:
    """Whether `source.max_quarantined` payloads are in quarantine."""
    return _totals.of(source).quarantined + _totals.added(source.name) >= source.max_quarantined


def note_quarantined(source: str) -> None:
    """Count a payload in quarantine that the totals do not have yet."""
    _totals.add(source)


def forget() -> None:
    """Forget all totals, as in a new process."""
    _totals.after_fork()


class _Totals:
    """The totals that this process knows. Any thread may ask."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._read: dict[str, tuple[datetime | None, Total]] = {}
        self._own: dict[str, tuple[float, Total]] = {}
        self._added: dict[str, int] = {}

    def of(self, source: Source) -> Total:
        """The newest total; while the database is away, the last one known."""
        if time.monotonic() >= self._look_at and not breaker.is_open():
            with self._lock:
                if time.monotonic() >= self._look_at:
                    self._look_at = time.monotonic() + INTERVAL
                    _ask(self._look)
        counted_at, total = self._read.get(source.name, (None, Total()))
        if counted_at is not None and datetime.now(UTC) - counted_at < timedelta(seconds=STALE):
            return total
        return self._count_own(source, total)

    def added(self, name: str) -> int:
        """Payloads added since the last count."""
        return self._added.get(name, 0)

    def add(self, name: str) -> None:
        with self._lock:
            self._added[name] = self.added(name) + 1

    def _look(self) -> None:
        from notifications.models import SourceTotal

        look = f"SELECT source, counted_at, waiting, waiting_bytes, quarantined FROM {table_of(SourceTotal)}"
        db = bounded_wait.connection()
        for name, counted_at, *numbers in fetch_all(db, look, []):
            found = aware_time(db, counted_at), Total(*numbers)
            if found != self._read.get(name):
                self._read[name] = found
                self._added.pop(name, None)

    def _count_own(self, source: Source, known: Total) -> Total:
        until, total = self._own.get(source.name, (0.0, known))
        if time.monotonic() < until or breaker.is_open():
            return total
        with self._lock:
            until, total = self._own.get(source.name, (0.0, known))
            if time.monotonic() >= until:
                counted = _ask(lambda: _count_to_limits(source))
                if counted is not None:
                    total = counted
                    self._added.pop(source.name, None)
                self._own[source.name] = time.monotonic() + STALE, total
        return total


_totals = _Totals()


def _ask(work: Callable[[], T]) -> T | None:
    """The result of `work`; None if the database fails."""
    started = time.monotonic()
    try:
        return bounded_wait.run_bounded(bounded_wait.connection(), work)
    except (Error, OSError) as error:
        breaker.open(time.monotonic() - started)
        logger.warning("Waiting payloads cannot be counted: the database failed (%s)", type(error).__name__)
        return None


def _count_to_limits(source: Source) -> Total:
    """Count up to the source's limits."""
    from notifications.models import RawPayload, State

    # As an expression: else SQLite uses the index on sources and reads all done payloads.
    named = RawPayload.objects.annotate(name=Concat("source", Value("", TextField()))).order_by()
    waiting = named.filter(name=source.name, state__in=WAITING, next_attempt_at__isnull=False)
    size = 0
    if source.max_waiting_bytes:
        size = waiting[:COUNTED].aggregate(bytes=Sum("size"))["bytes"] or 0
    quarantined = 0
    if source.bad_signature == "quarantine":
        stuck = named.filter(name=source.name, state=State.QUARANTINED)
        quarantined = len(stuck.values_list("pk")[: source.max_quarantined])
    count = len(waiting.values_list("pk")[: source.max_waiting]) if source.max_waiting else 0
    return Total(count, size, quarantined)
