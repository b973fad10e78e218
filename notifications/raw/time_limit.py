"""Ends the process when a handler hangs: nothing else can stop a thread, and the next payloads wait behind it."""

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
from notifications.events import process_outbox
from notifications.models import RawPayload
from notifications.raw import store
from notifications.raw.failures import Failure
from notifications.raw.handling import record_failure
from notifications.raw.log import attempt_of
from notifications.raw.presence import Presence
from notifications.worker import Stop

logger = logging.getLogger(__name__)

#: Exit status that says so (EX_SOFTWARE of sysexits.h). The supervisor starts the process again.
EXIT_HUNG: Final = 70
#: Seconds between two looks at what is handled…
CHECK_INTERVAL: Final = 0.25
#: …and while nothing is.
IDLE_INTERVAL: Final = 1.0
#: Seconds for the handlers of other threads to finish.
FINISHING: Final = 10.0
#: Seconds for recording the attempt, besides.
RECORDING: Final = 5.0
#: Seconds for events that a busy journal has not taken yet.
FLUSHING: Final = 1.0

HUNG: Final = "TimeoutError: the handler took longer than its lease"


class Running(NamedTuple):
    """What a worker's thread is handling."""

    payload: RawPayload
    deadline: float
    thread: int


class TimeLimit:
    """`with limit(payload): …` ends the process once the lease of the payload's source has passed.

    `stop` ends the workers of other threads, which have some seconds to finish. What they cannot finish is excused:
    whoever takes it over counts no attempt.
    """

    def __init__(self, stop: Stop, presence: Presence) -> None:
        self._stop = stop
        self._presence = presence
        self._running: Running | None = None
        self._hangs = False
        self._closed = threading.Event()
        #: Nothing more comes of this worker.
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="time-limit", daemon=True)
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
        self._over.set()

    def _watch(self) -> None:
        while not self._closed.wait(CHECK_INTERVAL if self._running else IDLE_INTERVAL):
            running = self._running
            if running is not None and time.monotonic() > running.deadline:
                self._end_process(running)

    def _end_process(self, running: Running) -> None:
        # Whatever follows may wait for what the hanging handler holds.
        threading.Timer(FINISHING + RECORDING, os._exit, [EXIT_HUNG]).start()
        try:
            others = self._blame_alone()
            self._stop.set()
            self._end(running, others)
        except Exception:  # it ends all the same
            logger.exception("The end of a process whose handler hangs went wrong")
        finally:
            os._exit(EXIT_HUNG)

    def _blame_alone(self) -> list["TimeLimit"]:
        """Excuse the workers of other threads, but those that hang too; gives them all."""
        with _lock:
            self._hangs = True
            others = [limit for limit in _limits if limit is not self]
            for limit in _limits:
                limit._presence.excuse(not limit._hangs)
        return others

    def _end(self, running: Running, others: list["TimeLimit"]) -> None:
        until = time.monotonic() + FINISHING
        failure = _failure(running)
        is_recorded = _record(running.payload, failure)
        self._over.set()
        for other in others:
            other._over.wait(max(0.0, until - time.monotonic()))
        if not is_recorded:  # one of the others may have locked the database
            _record(running.payload, failure)
        process_outbox().flush(FLUSHING)
        connections.close_all()


_lock: Final = threading.Lock()
#: Those of this process.
_limits: Final[list[TimeLimit]] = []


def _failure(running: Running) -> Failure:
    frame = sys._current_frames().get(running.thread)
    failure = Failure.without_place(HUNG) if frame is None else Failure.of_frame(HUNG, frame)
    logger.error(
        "%s outlasts its lease; the process ends. It hangs here:\n%s", attempt_of(running.payload), failure.text
    )
    return failure


def _record(payload: RawPayload, failure: Failure) -> bool:
    try:
        _be_impatient()
        record_failure(payload, failure)
        if payload.lease_token:  # its neighbours need not wait for the lease to run out
            RawPayload.objects.give_back(payload.lease_token)
    except Error as error:  # whoever takes the payload over counts it
        logger.warning("The attempt could not be recorded now: %s", error)
        return False
    return True


def _be_impatient() -> None:
    """The hanging handler's own transaction may lock SQLite, and nobody else writes until this process has gone."""
    database = store.connection()
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {store.LOCKED_MS}")
