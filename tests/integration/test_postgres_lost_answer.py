"""A commit comes through and its answer does not: what waited for it happens all the same, and once.

PostgreSQL that is to replicate to a standby commits, then waits for that one before it answers (its manual on
"Synchronous Replication"). Where there is none, this is the moment to end the session.
"""

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction
from psycopg import OperationalError

from notifications import emit
from notifications.models import RawPayload
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.testing import Told
from notifications.workers.loop import Stop
from tests.support.payloads import kept, states
from tests.support.postgres import Postgres
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("postgres_database")]

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = %s"
LOCKED_OUT = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


class Cut:
    """`arm()`: the next session of the database that commits is ended, and hears nothing of it.

    With a client's connection, that is shut down instead, and the commit goes on until somebody waits for its locks.
    """

    def __init__(self, server: psycopg.Connection[Any], url: str) -> None:
        self._server, self._url = server, url
        self._threads = ThreadPoolExecutor()
        self.ended: list[int] = []

    def arm(self, client: socket.socket | None = None) -> None:
        """From within what is to be committed."""
        self._wait_for_standby("nobody")
        # The server's processes hear of that in their own time: until another commit waits.
        wait_for(self._ends_another, message="a commit that waits for its standby")
        self._threads.submit(self._end_next, client)

    def close(self) -> None:
        self._threads.shutdown()
        self._wait_for_standby("")

    def _wait_for_standby(self, name: str) -> None:
        self._server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        self._server.execute("SELECT pg_reload_conf()")

    def _ends_another(self) -> bool:
        with psycopg.connect(self._url, autocommit=True) as other:
            committed = self._threads.submit(other.execute, "SELECT pg_logical_emit_message(true, '', '')")
            wait_for(lambda: committed.done() or self._end_waiting(), message="a commit, or its wait")
            return isinstance(committed.exception(), OperationalError)

    def _end_next(self, client: socket.socket | None) -> None:
        if client is None:
            self.ended.append(wait_for(self._end_waiting, message="the commit"))
        else:
            self.ended.append(wait_for(lambda: self._process(WAITING), message="the commit"))
            with client:
                client.shutdown(socket.SHUT_RDWR)
            wait_for(lambda: self._process(LOCKED_OUT), message="somebody who asks")
        self._wait_for_standby("")

    def _end_waiting(self) -> int:
        """The process that was ended, if one waits."""
        if process := self._process(WAITING):
            self._server.execute("SELECT pg_terminate_backend(%s, 10000)", [process])
        return process

    def _process(self, query: str) -> int:
        found = self._server.execute(query, [self._url.rpartition("/")[2]]).fetchone()
        return int(found[0]) if found else 0


def connection_of_this_thread() -> socket.socket:
    """Once more, to shut it down."""
    return socket.socket(fileno=os.dup(connections["default"].connection.fileno()))


@pytest.fixture
def cut(postgres: Postgres, postgres_database: str) -> Iterator[Cut]:
    with psycopg.connect(postgres.url, autocommit=True) as server:
        cut = Cut(server, postgres_database)
        yield cut
        cut.close()


@pytest.fixture
def worker() -> Iterator[ProcessRaw]:
    stop = Stop()
    worker = ProcessRaw(stop, drain=True)
    yield worker
    worker.close()
    stop.close()


@pytest.mark.parametrize("on_its_way", [False, True])
@pytest.mark.parametrize("effects", [False, True])
def test_the_worker_asks_whether_it_is_done(
    cut: Cut, worker: ProcessRaw, told: Told, on_demo: Callable[..., None], effects: bool, on_its_way: bool
) -> None:
    def handler(payload: RawPayload) -> None:
        if payload.body == b"first":
            cut.arm(connection_of_this_thread() if on_its_way else None)
        emit("SLACK", payload.body.decode())
        if effects:
            RawPayload.objects.filter(pk=payload.pk).update(query="seen")

    on_demo(handler)
    for body in (b"first", b"second"):
        kept(body)
    while worker.poll() is not None:
        pass
    wait_for(lambda: cut.ended, message="the commit was cut")
    assert states() == ["done"] * 2
    assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 1]
    assert [event.text for event in told.events()] == ["first", "second"]


def test_what_was_not_committed_is_handled_again(
    worker: ProcessRaw, told: Told, on_demo: Callable[..., None], postgres_database: str
) -> None:
    pids: list[int] = []

    def handler(payload: RawPayload) -> None:
        emit("SLACK", "handled")
        if not pids:
            pids.append(connections["default"].connection.info.backend_pid)
            with psycopg.connect(postgres_database, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", pids)
        transaction.on_commit(lambda: pids.append(0))

    on_demo(handler)
    kept()
    worker.poll()
    RawPayload.objects.update(next_attempt_at=RawPayload.objects.get().received_at)
    while worker.poll() is not None:
        pass
    assert (states(), pids[1:]) == (["done"], [0])
    assert [event.text for event in told.events() if event.data.get("kind") != "new failure"] == ["handled"]
