"""What comes while a commit is under way shares the next one, and loses nothing whatever happens to it."""

import os
import random
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connections

from notifications import keep
from notifications.database import bounded_wait, fast_sql
from notifications.errors import KeyReused
from notifications.models import RawPayload
from notifications.store import commit_queue, group_commit, insert
from notifications.store.database_breaker import Breaker, breaker
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from tests.support.threads import in_threads
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
keep_in_thread: Callable[..., uuid.UUID] = keep


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
            receipt: uuid.UUID = globals()["keep_in_thread"](*arguments, **options)
            return receipt
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:

        def submit(*arguments: Any, **options: Any) -> "Future[uuid.UUID]":
            nonlocal calls
            future = pool.submit(run, *arguments, **options)
            if not calls:
                assert held.begun.wait(60)
            else:
                wait_for(lambda: len(group_commit.queue_of("default")) == calls or future.done(), message="it waits")
            calls += not calls or not future.done()
            return future

        submit("demo", FIRST)
        calls = 1
        try:
            yield submit
        finally:
            held.let_go()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each failure took that was reported to the breaker."""
    times: list[float] = []

    def note(took: float = 0.0) -> None:
        times.append(took)
        Breaker.open(breaker, took)

    monkeypatch.setattr(breaker, "open", note)
    return times


@pytest.fixture
def commit_fails(monkeypatch: pytest.MonkeyPatch) -> list[list[bool]]:
    """Each COMMIT of a group fails. Of each: whether its records had their outcomes before it returned."""
    tickets, seen = list[commit_queue.Ticket](), list[list[bool]]()

    def noted(record: Any, patience: int) -> commit_queue.Ticket:
        tickets.append(commit_queue.Ticket(record, patience))
        return tickets[-1]

    def fail(db: Any, sql: str, values: Any) -> Any:
        if sql != "COMMIT":
            return fast_sql.execute(db, sql, values)
        seen.append([ticket.is_over for ticket in tickets if ticket.record.body != FIRST])
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(group_commit, "Ticket", noted)
    monkeypatch.setattr(group_commit, "execute", fail)
    return seen


@pytest.fixture
def known(sqlite_file: Path) -> uuid.UUID:
    """The receipt of a row with the key "k"."""
    return keep("demo", b"known", key="k")


def rows() -> set[bytes]:
    return {bytes(row.body) for row in RawPayload.objects.all()}


def spooled() -> set[bytes]:
    return {spool().read(path).body for path in spool().waiting()}  # type: ignore[union-attr]  # none is removed


def refuse_seven_bytes(path: Path, how: str) -> None:
    """By a trigger; `how` says what it ends, ABORT the statement and ROLLBACK the transaction."""
    with closing(sqlite3.connect(path)) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON notifications_rawpayload WHEN NEW.size = 7"
            f" BEGIN SELECT RAISE({how}, 'refused'); END"
        )


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
    refuse_seven_bytes(sqlite_file, "ABORT")
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


@pytest.mark.usefixtures("commit_fails")
def test_a_group_that_fails_is_one_failure(
    call: Call, held: Held, opened: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    calls = [call("demo", body) for body in (b"a", b"b", b"c")]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 3
    assert (rows(), spooled()) == ({FIRST}, {b"a", b"b", b"c"})
    assert len(opened) == 1
    assert breaker.is_open()
    assert caplog.text.count("it goes to the spool") == 1


@pytest.mark.usefixtures("commit_fails")
def test_a_late_one_of_a_group_that_failed_says_nothing_of_the_database(
    call: Call, held: Held, opened: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has worked since."""
    wait, go = commit_queue.Ticket.wait, threading.Event()

    def wait_late(ticket: commit_queue.Ticket, milliseconds: int) -> bool:
        called = wait(ticket, 60_000)
        return called and (ticket.record.body != b"late" or go.wait(60))

    monkeypatch.setattr(commit_queue.Ticket, "wait", wait_late)
    leader, late = call("demo", b"leads"), call("demo", b"late")
    held.let_go()
    assert leader.result(60)
    assert breaker.is_open()
    breaker.close()
    go.set()
    assert late.result(60)
    assert spooled() == {b"leads", b"late"}
    assert len(opened) == 1
    assert not breaker.is_open()


def test_who_gives_up_by_itself_reports_it(call: Call, opened: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """Its leader is stuck, and says nothing."""
    assert call("demo", b"waits").result(60)
    assert len(opened) == 1
    assert opened[0] >= bounded_wait.LOCKED_MS / 1000
    assert caplog.text.count("it goes to the spool") == 1


def test_a_key_that_is_stored_is_no_answer_before_the_commit(
    known: uuid.UUID, call: Call, held: Held, commit_fails: list[list[bool]]
) -> None:
    """Of a group neither who repeats it nor who is new is told anything, or is told that it is stored."""
    calls = [call("demo", b"known", key="k"), call("demo", b"new"), call("demo", b"known", key="k")]
    held.let_go()
    repeated, new, again = (future.result(60) for future in calls)
    assert repeated == again == known != new
    assert commit_fails == [[False, False, False]]
    assert (rows(), spooled()) == ({FIRST, b"known"}, {b"known", b"new"})


def test_who_gives_up_while_its_row_is_written_is_stored_once(
    call: Call, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes to the spool, its leader commits the row with the same receipt, and the import finds that."""
    follower: list[Future[uuid.UUID]] = []

    def insert_slowly(record: Any, db: Any, **options: Any) -> bool:
        if record.body == b"leads":
            wait_for(lambda: bool(follower and follower[0].done()), message="the other one gives up")
        return INSERT(record, db, **options)

    monkeypatch.setattr(insert, "insert", insert_slowly)
    leader = call("demo", b"leads")
    follower.append(call("demo", b"gives up"))
    held.let_go()
    receipt = follower[0].result(60)
    assert spooled() == {b"gives up"}
    assert leader.result(60)
    assert rows() == {FIRST, b"leads", b"gives up"}
    import_spool()
    assert spooled() == set()
    assert [bytes(row.body) for row in RawPayload.objects.filter(receipt=receipt)] == [b"gives up"]
    assert RawPayload.objects.count() == 3


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
    assert len(group_commit.queue_of("default")) == 0
    held.let_go()
    wait_for(lambda: FIRST in rows(), message="the first is stored in the end")


def test_a_group_has_a_limit(call: Call, held: Held, statements: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "MOST_ROWS", 2)
    calls = [call("demo", b"%d" % number) for number in range(4)]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 4
    assert statements == ["BEGIN IMMEDIATE", "COMMIT"] * 2


def test_large_bodies_fill_a_group(
    call: Call, held: Held, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MOST_BYTES", 10)
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


def test_one_slow_commit_sends_one_to_the_spool(call: Call, held: Held) -> None:
    """It let the others lead again once it has ended."""
    slow = call("demo", b"waits in vain")
    wait_for(slow.done, message="its quarter of a second is over")
    breaker.close()
    others = [call("demo", b"%d" % number) for number in range(2)]  # the first of them leads: the stuck one is gone
    assert len({future.result(60) for future in others}) == 2
    assert spooled() == {b"waits in vain"}
    held.let_go()
    wait_for(lambda: rows() == {FIRST, b"0", b"1"}, message="all others are stored")


def test_an_interrupted_wait_takes_nobody_along(call: Call, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, go = commit_queue.Ticket.wait, threading.Event()

    def interrupted(ticket: commit_queue.Ticket, milliseconds: int) -> bool:
        if ticket.record.body != b"interrupted":
            return wait(ticket, milliseconds)
        wait(ticket, 60_000)
        go.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(commit_queue.Ticket, "wait", interrupted)
    first, second = call("demo", b"interrupted"), call("demo", b"second")
    held.let_go()
    assert go.wait(60)
    with pytest.raises(KeyboardInterrupt):
        first.result(60)
    assert second.result(60)
    assert (rows(), spooled()) == ({FIRST, b"second"}, set())


def test_the_wait_for_others_counts(call: Call, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has waited for its turn waits the rest for the lock."""
    waited, until_unlocked = list[int](), bounded_wait.until_unlocked

    def noted(db: Any, milliseconds: int, work: Any) -> Any:
        waited.append(milliseconds)
        return until_unlocked(db, milliseconds, work)

    monkeypatch.setattr(bounded_wait, "until_unlocked", noted)
    monkeypatch.setattr(commit_queue.Ticket, "milliseconds_left", lambda ticket: 100)
    later = call("demo", b"later")
    held.let_go()
    assert later.result(60)
    assert 100 in waited


def test_a_signal_handler_may_keep_in_the_middle_of_a_keep(sqlite_file: Path) -> None:
    child = os.fork()
    if not child:
        connections["default"].connection = None  # its parent's
        signal.signal(signal.SIGALRM, lambda *_: keep("demo", b"in between"))
        until = time.monotonic() + 2
        while time.monotonic() < until:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.003))
            keep("demo", b"one after another")
        signal.setitimer(signal.ITIMER_REAL, 0)
        os._exit(0)
    try:
        wait_for(lambda: os.waitpid(child, os.WNOHANG) != (0, 0), timeout=30, message="it comes to its end")
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        raise


def test_what_guards_the_leaders_statements_sees_none_of_others(
    call: Call, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no query while a page is rendered")

    def keep_guarded(source: str, body: bytes, **options: Any) -> uuid.UUID:
        with connections["default"].execute_wrapper(refuse) if body == b"guarded" else nullcontext():
            return keep(source, body, **options)

    monkeypatch.setitem(globals(), "keep_in_thread", keep_guarded)
    calls = [call("demo", b"guarded"), call("demo", b"a", key="k"), call("demo", b"a", key="k")]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 2
    assert rows() | spooled() == {FIRST, b"guarded", b"a"}


def test_a_trigger_that_rolls_back_all_sends_all_to_the_spool(call: Call, held: Held, sqlite_file: Path) -> None:
    refuse_seven_bytes(sqlite_file, "ROLLBACK")
    calls = [call("demo", body) for body in (b"before", b"refused", b"after")]
    held.let_go()
    assert len({future.result(60) for future in calls}) == 3
    assert rows() == {FIRST}
    assert spooled() == {b"before", b"refused", b"after"}


@pytest.mark.slow
def test_nothing_is_lost_whatever_fails(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    errors = (OperationalError("locked"), IntegrityError("row"), KeyboardInterrupt())

    def faulty(record: Any, db: Any, **options: Any) -> bool:
        if chance.random() < 0.02:
            raise chance.choice(errors)
        return INSERT(record, db, **options)

    def execute(db: Any, sql: str, values: Any) -> Any:
        if sql == "COMMIT" and chance.random() < 0.05:
            raise OperationalError("disk I/O error")
        return fast_sql.execute(db, sql, values)

    monkeypatch.setattr(insert, "insert", faulty)
    monkeypatch.setattr(group_commit, "execute", execute)
    kept: list[tuple[uuid.UUID, bytes]] = []

    def keep_many(number: int) -> None:
        for count in range(150):
            breaker.close()
            body = b"%d %d" % (number, count)
            with suppress(KeyboardInterrupt):
                kept.append((keep("demo", body), body))

    in_threads(8, keep_many)
    monkeypatch.undo()
    stored = {row.receipt: bytes(row.body) for row in RawPayload.objects.all()}
    waiting = [spool().read(path) for path in spool().waiting()]
    stored |= {record.receipt: record.body for record in waiting if record}
    assert len(kept) > 1000
    assert [receipt for receipt, body in kept if stored.get(receipt) != body] == []
