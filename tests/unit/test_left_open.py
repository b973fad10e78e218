"""Handlers that leave a transaction open, or a time zone: nothing of that reaches the next payload, or the spool."""

import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from notifications import GiveUp, keep
from notifications.database.transactions import is_open
from notifications.models import RawPayload, ReportRow, State
from notifications.process_raw.handle_payload import handle
from notifications.signals import payload_failed
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from notifications.wsgi import Handler
from tests.support.payloads import claimed, kept, make_due, states

pytestmark = pytest.mark.usefixtures("database")
DAY = date(2030, 1, 1)
Register = Callable[..., None]


def effect() -> None:
    ReportRow.objects.create(name=uuid.uuid4().hex, day=DAY, count=1)


def autocommit_off(_: RawPayload) -> None:
    transaction.set_autocommit(False)
    effect()


def begin(_: RawPayload) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
    effect()


def begin_past_django(_: RawPayload) -> None:
    connection.ensure_connection()
    connection.connection.execute("BEGIN")


def atomic_entered(_: RawPayload) -> None:
    transaction.atomic().__enter__()
    effect()


def atomic_entered_in_done(payload: RawPayload) -> None:
    """Django takes the end of done() for the end of the inner block."""
    with payload.done():
        transaction.atomic().__enter__()
        effect()


def atomic_entered_and_closed(_: RawPayload) -> None:
    transaction.atomic().__enter__()
    connection.close()


def autocommit_off_and_done(payload: RawPayload) -> None:
    transaction.set_autocommit(False)
    with payload.done():
        effect()


def failed_transaction(_: RawPayload) -> None:
    transaction.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")
    except Exception:  # noqa: BLE001  as careless handlers do
        effect_is_impossible = True
        assert effect_is_impossible


LEAVING = [
    autocommit_off,
    begin,
    begin_past_django,
    atomic_entered,
    atomic_entered_and_closed,
    atomic_entered_in_done,
    failed_transaction,
]
leaving = pytest.mark.parametrize("leave", LEAVING, ids=lambda function: function.__name__)


def next_one(state: State = State.RECEIVED) -> RawPayload:
    (payload,) = claimed(1, state=state)
    return payload


@leaving
def test_the_attempt_fails_and_says_why(leave: Any, on_demo: Register, caplog: pytest.LogCaptureFixture) -> None:
    on_demo(leave, atomic=False)
    kept()
    assert not handle(next_one())
    assert not is_open(connection)
    connection.close()  # what was not committed is seen by nobody else
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts, stored.lease_token) == ("retrying", 1, None)
    assert "The handler of 'demo' left a transaction open on the connection 'default'" in stored.error
    assert "transaction.atomic(using='default')" in stored.error
    assert not ReportRow.objects.exists()
    assert "left a transaction open" in caplog.text


def test_done_refuses_to_be_committed_by_somebody_else(on_demo: Register) -> None:
    on_demo(autocommit_off_and_done, atomic=False)
    kept()
    assert not handle(next_one())
    connection.close()
    stored = RawPayload.objects.get()
    assert stored.state == "retrying"
    assert "payload.done() is inside a transaction" in stored.error
    assert "left a transaction open on the connection 'default'" in stored.error, "the note is missing"
    assert not ReportRow.objects.exists()


def test_an_atomic_handler_that_enters_another_block(on_demo: Register) -> None:
    on_demo(atomic_entered, atomic=True)
    kept()
    assert not handle(next_one())
    connection.close()
    assert (states(), ReportRow.objects.count()) == (["retrying"], 0)


@pytest.mark.parametrize("raises", [False, True])
def test_what_was_done_before_stays_done(raises: bool, on_demo: Register, caplog: pytest.LogCaptureFixture) -> None:
    def leave_afterwards(payload: RawPayload) -> None:
        with payload.done():
            effect()
        autocommit_off(payload)
        if raises:
            raise ZeroDivisionError

    on_demo(leave_afterwards, atomic=False)
    kept()
    assert handle(next_one())
    connection.close()
    assert (states(), ReportRow.objects.count()) == (["done"], 1)
    assert "left a transaction open" in caplog.text


def test_what_the_handler_raised_decides_and_has_a_note(on_demo: Register, caplog: pytest.LogCaptureFixture) -> None:
    def give_up(payload: RawPayload) -> None:
        autocommit_off(payload)
        raise GiveUp("no such customer")

    def fail(payload: RawPayload) -> None:
        autocommit_off(payload)
        raise ZeroDivisionError

    on_demo(give_up, atomic=False)
    kept()
    assert not handle(next_one())
    connection.close()
    assert (states(), RawPayload.objects.get().error) == (["dead"], "no such customer")
    assert "left a transaction open" in caplog.text
    on_demo(fail, atomic=False)
    second = kept()
    assert not handle(next_one())
    second.refresh_from_db()
    assert "ZeroDivisionError" in second.error
    assert "left a transaction open" in second.error


@leaving
def test_the_next_payloads_are_handled(leave: Any, on_demo: Register) -> None:
    on_demo(leave, atomic=False)
    on_demo(lambda _: effect(), source="photo")
    kept()
    for number in range(2):
        kept(b"%d" % number, "photo")
    assert [handle(payload) for payload in claimed()] == [False, True, True]
    connection.close()
    assert (states(), ReportRow.objects.count()) == (["retrying", "done", "done"], 2)
    on_demo(lambda _: effect(), atomic=False)
    make_due()
    assert handle(next_one(State.RETRYING))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Any]:
    """A second connection, to a SQLite of its own."""
    ours = connections.settings["default"] | {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}
    connections.settings["other"] = ours | {"NAME": str(tmp_path / "other.sqlite3")}
    yield connections["other"]
    connections["other"].close()
    del connections["other"], connections.settings["other"]


@pytest.mark.parametrize("atomic", [True, False])
def test_other_connections_are_closed_too(on_demo: Register, other: Any, atomic: bool) -> None:
    def leave(_: RawPayload) -> None:
        effect()
        with other.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS t (x)")
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO t VALUES (1)")

    on_demo(leave, atomic=atomic)
    kept()
    assert not handle(next_one())
    assert ReportRow.objects.exists() != atomic, "what an atomic handler did is rolled back with it"
    assert "on the connection 'other'" in RawPayload.objects.get().error
    assert other.connection is None
    with other.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize("raises", [False, True])
def test_time_zone_and_language_are_put_back(raises: bool, on_demo: Register) -> None:
    def leave(_: RawPayload) -> None:
        timezone.activate(zoneinfo.ZoneInfo("Asia/Kolkata"))
        translation.activate("de")
        if raises:
            raise ZeroDivisionError

    before = timezone.get_current_timezone(), translation.get_language()
    on_demo(leave)
    kept()
    assert handle(next_one()) != raises
    assert (timezone.get_current_timezone(), translation.get_language()) == before
    with translation.override(None), timezone.override("Africa/Nairobi"):
        kept()
        handle(next_one())
        assert timezone.get_current_timezone_name() == "Africa/Nairobi"
        assert translation.get_language() is None


def test_a_receiver_that_leaves_one_open(on_demo: Register, caplog: pytest.LogCaptureFixture) -> None:
    def leave(**_: Any) -> None:
        transaction.set_autocommit(False)
        effect()

    def fail(_: RawPayload) -> None:
        raise ZeroDivisionError

    on_demo(fail)
    kept()
    payload_failed.connect(leave)
    try:
        handle(next_one())
    finally:
        payload_failed.disconnect(leave)
    assert not is_open(connection)
    assert "receiver of payload_failed left a transaction open" in caplog.text


class TestSpool:
    @leaving
    def test_no_file_goes_while_a_transaction_is_open(self, leave: Any) -> None:
        """Were the handler's not closed, the importer would see it by itself."""
        breaker.open()
        keep("photo", b"x")
        breaker.close()
        payload = kept()
        payload.lease_token = payload.receipt
        RawPayload.objects.update(state=State.PROCESSING, lease_token=payload.receipt)
        leave(payload)
        with pytest.raises(transaction.TransactionManagementError, match="'default'"):
            import_spool()
        assert len(spool().waiting()) == 1
        transaction_of_nobody(connection)
        assert import_spool() == 1
        connection.close()
        assert RawPayload.objects.filter(source="photo").count() == 1

    @pytest.mark.parametrize("leave", [autocommit_off, begin, begin_past_django], ids=lambda leave: leave.__name__)
    def test_nothing_is_acknowledged_that_is_not_committed(self, leave: Any, caplog: pytest.LogCaptureFixture) -> None:
        """On a connection that stays open between requests, as views leave it."""
        leave(None)
        receipt = keep("photo", b"x", key="1")
        assert [path.name for path in spool().waiting()] == [receipt.hex]
        assert "set_autocommit(False)" in caplog.text
        assert not breaker.is_open(), "the database takes others"
        connection.rollback()
        transaction_of_nobody(connection)
        assert not RawPayload.objects.exists()
        assert import_spool() == 1
        assert RawPayload.objects.get().receipt == receipt

    def test_it_is_there_once_where_the_caller_commits(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            receipts = {keep("photo", b"x"), keep("photo", b"y")}
            cursor.execute("COMMIT")
        assert import_spool() == 2
        assert set(RawPayload.objects.values_list("receipt", flat=True)) == receipts

    def test_over_http(self) -> None:
        connection.ensure_connection()
        connection.connection.execute("BEGIN")
        assert Client().generic("POST", "/in/demo/", b"x").status_code == 202
        assert len(spool().waiting()) == 1

    @pytest.mark.parametrize("gate", [True, False])
    @pytest.mark.parametrize("leave", [each for each in LEAVING if each is not atomic_entered_in_done])
    def test_nor_what_a_view_before_has_left_open(
        self, leave: Any, gate: bool, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Django's own handler keeps such a connection."""
        settings.NOTIFICATIONS_GATE = gate
        leave(None)
        environ = RequestFactory().generic("POST", "/in/demo/", b"x").META
        statuses: list[str] = []
        answer = Handler()(environ | {"wsgi.input": BytesIO(b"x")}, lambda status, _: statuses.append(status))
        assert statuses == ["202 Accepted"]
        answer.close()
        transaction_of_nobody(connection)
        assert RawPayload.objects.get().body == b"x"
        assert "An earlier request left a transaction open" in caplog.text


def transaction_of_nobody(db: Any) -> None:
    """As a process that has just started has its connection."""
    db.in_atomic_block, db.atomic_blocks, db.savepoint_ids, db.closed_in_transaction = False, [], [], False
    db.close()


def test_effects_may_be_done_within_a_block_of_another_database(on_demo: Register, other: Any) -> None:
    """That block commits after them."""

    def both(payload: RawPayload) -> None:
        with transaction.atomic(using="other"), payload.done():
            effect()
            with other.cursor() as cursor:
                cursor.execute("CREATE TABLE seen (n integer)")

    on_demo(both, atomic=False)
    kept()
    assert handle(next_one())
    assert ReportRow.objects.exists()
    with other.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM seen").fetchone() == (0,)
