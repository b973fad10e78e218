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
from notifications.models import RawPayload
from notifications.raw import store
from notifications.raw.failures import Failure
from notifications.raw.handling import record_failure

logger = logging.getLogger(__name__)

#: Exit status that says so (EX_SOFTWARE of sysexits.h). The supervisor starts the process again.
EXIT_HUNG: Final = 70
CHECK_INTERVAL: Final = 0.25
#: Seconds for recording the attempt.
RECORDING: Final = 5.0


HUNG: Final = "TimeoutError: the handler took longer than its lease"


class Running(NamedTuple):
    """What a worker's thread is handling."""

    payload: RawPayload
    deadline: float
    thread: int


class TimeLimit:
    """`with limit(payload): …` ends the process once the lease of the payload's source has passed."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="time-limit", daemon=True)
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

    def _watch(self) -> None:
        while not self._closed.wait(CHECK_INTERVAL):
            running = self._running
            if running is not None and time.monotonic() > running.deadline:
                _end_process(running)


def _be_impatient() -> None:
    """Its own transaction may lock SQLite, and nobody else writes until this process has gone."""
    database = store.connection()
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {store.LOCKED_MS}")


def _end_process(running: Running) -> None:
    # Recording the attempt may wait for what the hanging handler holds.
    threading.Timer(RECORDING, os._exit, [EXIT_HUNG]).start()
    failure = Failure.of_frame(HUNG, sys._current_frames()[running.thread])
    logger.error("%s outlasts its lease; the process ends. It hangs here:\n%s", running.payload, failure.text)
    try:
        _be_impatient()
        record_failure(running.payload, failure)
        if running.payload.lease_token:  # its neighbours need not wait for the lease to run out
            RawPayload.objects.give_back(running.payload.lease_token)
    except Error as error:  # whoever takes the payload over counts it
        logger.warning("The attempt could not be recorded now: %s", error)
    finally:
        connections.close_all()
        os._exit(EXIT_HUNG)
