"""The real `process_raw` with an empty handler; on PostgreSQL bare UPDATE and COMMIT in turn with it."""

import time
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import psycopg
from django.db import connection, transaction

from notifications import handlers
from notifications.models import RawPayload, State
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.store import insert
from notifications.store.new_payload import Record, digest_of
from notifications.workers import loop
from tests.benchmarks.filling import TABLE
from tests.benchmarks.payload import CONTENT_TYPE, body

#: Turns of the worker (of 50 payloads each) between two slices of bare updates.
BETWEEN: Final = 10
SLICE: Final = 200
#: As `RawPayloadQuerySet.finish()` does it.
FINISH: Final = (
    b"UPDATE bare SET state = 'done', done_at = %s, error = '', next_attempt_at = NULL, attempts = 1,"
    b" lease_until = NULL, lease_token = NULL WHERE id = %s AND lease_token = %s"
)


class Timed:
    """The worker, with the time that its turns take; after each tenth one something else has its turn."""

    def __init__(self, worker: ProcessRaw, between: Callable[[], None]) -> None:
        self._worker, self._between = worker, between
        self.fileno, self.close = worker.fileno, worker.close
        self.seconds = 0.0
        self._turns = 0

    def poll(self) -> float | None:
        started = time.perf_counter()
        delay = self._worker.poll()
        self.seconds += time.perf_counter() - started
        self._turns += 1
        if self._turns % BETWEEN == 0:
            self._between()
        return delay


class Bare:
    """UPDATE and COMMIT, over a copy of the table with its indexes whose rows look claimed."""

    def __init__(self, url: str, count: int) -> None:
        self._connection: psycopg.Connection[Any] = psycopg.connect(url)
        self._token = uuid.uuid4()
        execute = self._connection.execute
        execute("DROP TABLE IF EXISTS bare")
        execute(f"CREATE TABLE bare (LIKE {TABLE} INCLUDING ALL)".encode())
        execute(f"INSERT INTO bare SELECT * FROM {TABLE} ORDER BY id DESC LIMIT {count}".encode())
        execute("UPDATE bare SET state = 'processing', lease_token = %s, lease_until = now()", [self._token])
        self._ids = iter([pk for (pk,) in execute("SELECT id FROM bare ORDER BY id")])
        self._connection.commit()
        self.seconds, self.done = 0.0, 0

    def update_some(self, count: int) -> None:
        started = time.perf_counter()
        for pk in islice(self._ids, count):
            self._connection.execute(FINISH, [datetime.now(UTC), pk, self._token])
            self._connection.commit()
            self.done += 1
        self.seconds += time.perf_counter() - started

    def close(self) -> None:
        self._connection.close()


def run(*, payloads: int, rounds: int, size: int, url: str = "") -> dict[str, list[float]]:
    """Rates per second, by round: of payloads handled; of updates too, with the `url` of a PostgreSQL."""
    handlers.autodiscover()
    rates = [_measure(payloads, body(size), url) for _ in range(rounds + 1)][1:]  # the first warms up
    return {"handled": [handled for handled, _ in rates], "updated": [updated for _, updated in rates]}


def _measure(payloads: int, data: bytes, url: str) -> tuple[float, float]:
    RawPayload.objects.filter(source="bench").delete()
    _fill(payloads, data)
    if not url:
        return payloads / _drain(payloads, lambda: None), 0
    with closing(Bare(url, payloads)) as bare:
        bare.update_some(SLICE)
        handled = payloads / _drain(payloads, lambda: bare.update_some(SLICE))
    return handled, bare.done / bare.seconds


def _fill(count: int, data: bytes) -> None:
    digest = digest_of(data)
    with transaction.atomic():
        for _ in range(count):
            now = datetime.now(UTC)
            record = Record(
                receipt=uuid.uuid4(),
                source="bench",
                body=data,
                digest=digest,
                received_at=now,
                next_attempt_at=now,
                content_type=CONTENT_TYPE,
            )
            insert.insert(record, connection)


def _drain(count: int, between: Callable[[], None]) -> float:
    timed: list[Timed] = []

    def make(stop: loop.Stop) -> Timed:
        timed.append(Timed(ProcessRaw(stop, drain=True), between))
        return timed[0]

    loop.run([make])
    done = RawPayload.objects.filter(source="bench", state=State.DONE).count()
    if done != count:
        raise RuntimeError(f"process_raw handled {done} of {count} payloads")
    return timed[0].seconds
