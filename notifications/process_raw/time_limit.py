"""Ends the process if a handler outlasts its lease: nothing else can stop a thread, and the next payloads wait."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from django.db import Error, connections

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.events.emit import process_outbox
from notifications.events.series_counts import counted
from notifications.log import attempt_of
from notifications.models import RawPayload
from notifications.process_raw.handle_payload import record_failure
from notifications.process_raw.living_workers import Presence
from notifications.utils.failure_fingerprint import Failure
from notifications.workers.loop import Stop

logger = logging.getLogger(__name__)

#: The exit status (EX_SOFTWARE of sysexits.h). The supervisor starts the process again.
EXIT_HUNG: Final = 70
#: Seconds between two checks, while a handler runs and while none does.
CHECK_INTERVAL: Final = 0.25
IDLE_INTERVAL: Final = 1.0
#: Seconds for the handlers of other threads to finish, then to record the attempt, then to write queued events.
FINISHING: Final = 10.0
RECORDING: Final = 5.0
FLUSHING: Final = 1.0

HUNG: Final = "TimeoutError: the handler took longer than its lease"


class Running(NamedTuple):
    """The payload that a worker's thread handles."""

    payload: RawPayload
    deadline: float
    thread: int


class TimeLimit:
    """`with limit(payload): …` ends the process once the lease of the payload's source has passed.

    `stop` ends the workers of other threads, which have some seconds to finish. A payload that they cannot finish is
    excused: this attempt does not count.
    """

    def __init__(self, stop: Stop, presence: Presence) -> None:
        self._stop = stop
        self._presence = presence
        self._running: Running | None = None
        self._hangs = False
        self._closed = threading.Event()
        #: This worker is closed, or has recorded its hanging handler.
        self._finished = threading.Event()
        self._watcher = threading.Thread(target=self._watch_deadline, name="time-limit", daemon=True)
        with _lock:
            _limits.append(self)
        self._watcher.start()

    @contextmanager
    def __call__(self, payload: RawPayload) -> Iterator[None]:
        lease = conf.source(payload.source).lease
        self._running = Running(payload, time.monotonic() + lease, threading.get_ident())
        try:
            yield
        finally:
            self._running = None

    def close(self) -> None:
        self._closed.set()
        self._watcher.join()
        with _lock:
            _limits.remove(self)
        self._finished.set()

    def _watch_deadline(self) -> None:
        while not self._closed.wait(CHECK_INTERVAL if self._running else IDLE_INTERVAL):
            running = self._running
            if running is not None and time.monotonic() > running.deadline:
                self._end_process(running)

    def _end_process(self, running: Running) -> None:
        # All that follows may wait for a lock of the hanging handler.
        threading.Timer(FINISHING + RECORDING, os._exit, [EXIT_HUNG]).start()
        try:
            others = self._excuse_others()
            self._stop.set()
            self._finish(running, others)
        except Exception:  # the process must end
            logger.exception("A handler hangs, and the process could not end in order")
        finally:
            os._exit(EXIT_HUNG)

    def _excuse_others(self) -> list["TimeLimit"]:
        """Excuse the workers of other threads unless they hang too. Returns all others."""
        with _lock:
            self._hangs = True
            others = [limit for limit in _limits if limit is not self]
            for limit in _limits:
                limit._presence.excuse(not limit._hangs)
        return others

    def _finish(self, running: Running, others: list["TimeLimit"]) -> None:
        until = time.monotonic() + FINISHING
        failure = _failure_of(running)
        is_recorded = _record_attempt(running.payload, failure)
        self._finished.set()
        for other in others:
            other._finished.wait(max(0.0, until - time.monotonic()))
        if not is_recorded:  # another worker may have locked the database
            _record_attempt(running.payload, failure)
        counted.flush(FLUSHING)
        process_outbox().flush(FLUSHING)
        connections.close_all()


_lock: Final = threading.Lock()
#: All of this process.
_limits: Final[list[TimeLimit]] = []


def _failure_of(running: Running) -> Failure:
    frame = sys._current_frames().get(running.thread)
    failure = Failure.without_place(HUNG) if frame is None else Failure.of_frame(HUNG, frame)
    logger.error(
        "%s outlasts its lease; the process ends. It hangs here:\n%s", attempt_of(running.payload), failure.text
    )
    return failure


def _record_attempt(payload: RawPayload, failure: Failure) -> bool:
    try:
        _shorten_busy_timeout()
        record_failure(payload, failure)
        if payload.lease_token:  # the rest of its batch need not wait for the lease to end
            RawPayload.objects.give_back(payload.lease_token)
    except Error as error:  # the release of its claim counts the attempt
        logger.warning("The attempt could not be recorded now: %s", error)
        return False
    return True


def _shorten_busy_timeout() -> None:
    """The hanging handler may lock SQLite until this process has ended: waiting for it is useless."""
    database = bounded_wait.connection()
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {bounded_wait.LOCKED_MS}")
