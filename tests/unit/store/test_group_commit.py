"""What comes while a commit is under way shares the next one, and loses nothing whatever happens to it."""

import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from notifications import keep
from notifications.database import fast_sql
from notifications.errors import KeyReused
from notifications.models import RawPayload
from notifications.store import group_commit, insert
from notifications.store.spool import spool
from tests.support.wait import wait_for

FIRST = b"first"
Call = Callable[..., "Future[uuid.UUID]"]


class Held:
    """The first keeps the others waiting until `let_go()`."""

    def __init__(self) -> None:
        self.begun, self._free = threading.Event(), threading.Event()

    def insert(self, record: Any, db: Any, **options: Any) -> bool:
        if record.body == FIRST:
            self.begun.set()
            assert self._free.wait(60)
        return INSERT(record, db, **options)

    def let_go(self) -> None:
        self._free.set()


INSERT = insert.insert


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held()
    monkeypatch.setattr(insert, "insert", held.insert)
    yield held
    held.let_go()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those of the groups' transactions."""
    seen: list[str] = []

    def spy(db: Any, sql: str, values: Any) -> Any:
        seen.append(sql)
        return fast_sql.execute(db, sql, values)

    monkeypatch.setattr(group_commit, "execute", spy)
    return seen


@pytest.fixture
def call(sqlite_file: Path, held: Held) -> Iterator[Call]:
    """keep() in a thread of its own; the first call is held, and each of the others waits in line."""
    calls = 0

    def run(*arguments: Any, **options: Any) -> uuid.UUID:
        try:
            return keep(*arguments, **options)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:

        def submit(*arguments: Any, **options: Any) -> "Future[uuid.UUID]":
            nonlocal calls
            future = pool.submit(run, *arguments, **options)
            if not calls:
                assert held.begun.wait(60)
            else:
                wait_for(lambda: len(group_commit.of("default")) == calls or future.done(), message="it waits")
            calls += not calls or not future.done()
            return future

        submit("demo", FIRST)
        calls = 1
        try:
            yield submit
        finally:
            held.let_go()


def rows() -> set[bytes]:
    return {bytes(row.body) for row in RawPayload.objects.all()}


def spooled() -> set[bytes]:
    return {spool().read(path).body for path in spool().waiting()}  # type: ignore[union-attr]  # none is removed


def test_one_alone_commits_by_itself(sqlite_file: Path, statements: list[str]) -> None:
    receipt = keep("demo", b"alone")
    assert RawPayload.objects.get(receipt=receipt).body == b"alone"
    assert statements == []


def test_those_that_wait_share_one_commit(call: Call, held: Held, statements: list[str]) -> None:
    receipts = [call("demo", b"%d" % number) for number in range(5)]
    held.let_go()
    assert len({future.result(60) for future in receipts}) == 5
    assert rows() == {FIRST, *(b"%d" % number for number in range(5))}
    assert statements == ["BEGIN IMMEDIATE", "COMMIT"]


def test_each_has_its_own_outcome(call: Call, held: Held) -> None:
    one, same, other = call("demo", b"a", key="k"), call("demo", b"a", key="k"), call("demo", b"b", key="k")
    between = call("demo", b"c")
    held.let_go()
    assert one.result(60) == same.result(60) != between.result(60)
    with pytest.raises(KeyReused):
        other.result(60)
    assert rows() == {FIRST, b"a", b"c"}
    assert spooled() == set()


def test_what_the_database_refuses_goes_to_the_spool_alone(call: Call, held: Held, sqlite_file: Path) -> None:
    with closing(sqlite3.connect(sqlite_file)) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON notifications_rawpayload WHEN NEW.size = 7"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    calls = [call("demo", body) for body in (b"before", b"refused", b"after")]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 3
    assert rows() == {FIRST, b"before", b"after"}
    assert spooled() == {b"refused"}


def test_a_lock_sends_all_of_the_group_to_the_spool(call: Call, held: Held, sqlite_file: Path) -> None:
    calls = [call("demo", body) for body in (b"a", b"b")]
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        held.let_go()
        assert len({future.result(60) for future in calls}) == 2
        wait_for(lambda: spooled() == {FIRST, b"a", b"b"}, message="all are in the spool")
    assert rows() == set()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_leader_lets_all_go(
    error: type[BaseException], call: Call, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [call("demo", body) for body in (b"leads", b"raises", b"waits")]

    def interrupted(record: Any, db: Any, **options: Any) -> bool:
        if record.body == b"raises":
            raise error
        return INSERT(record, db, **options)

    monkeypatch.setattr(insert, "insert", interrupted)
    held.let_go()
    with pytest.raises(error):
        calls[0].result(60)
    assert len({future.result(60) for future in calls[1:]}) == 2
    assert rows() == {FIRST}
    assert spooled() == {b"raises", b"waits"}
    monkeypatch.undo()
    keep("demo", b"next")


def test_nobody_waits_long_for_a_leader_that_is_stuck(call: Call, held: Held) -> None:
    assert call("demo", b"waits").result(60)
    assert spooled() == {b"waits"}
    assert call("demo", b"next").result(60)
    assert len(group_commit.of("default")) == 0
    held.let_go()
    wait_for(lambda: FIRST in rows(), message="the first is stored in the end")


def test_a_group_has_a_limit(call: Call, held: Held, statements: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MOST_ROWS", 2)
    calls = [call("demo", b"%d" % number) for number in range(4)]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 4
    assert statements == ["BEGIN IMMEDIATE", "COMMIT"] * 2


def test_large_bodies_fill_a_group(
    call: Call, held: Held, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_BYTES", 10)
    calls = [call("demo", body) for body in (b"1234", b"56", b"large enough alone")]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 3
    assert statements == ["BEGIN IMMEDIATE", "COMMIT"]


def test_a_fork_waits_for_nobody(call: Call, held: Held, sqlite_file: Path) -> None:
    child = os.fork()
    if not child:
        connections["default"].connection = None  # its parent's
        insert.insert = INSERT
        keep("demo", b"of the child")
        os._exit(0 if b"of the child" in rows() else 1)
    assert os.waitpid(child, 0)[1] == 0
