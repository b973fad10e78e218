"""keep(): in the database, and in the spool where that is away."""

import json
import os
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.utils import DataError, IntegrityError, OperationalError
from django.test import Client
from pytest_django import DjangoDbBlocker

from notifications import keep
from notifications.database import bounded_wait
from notifications.errors import KeyReused, NowhereToStore, UnknownSource
from notifications.http.idempotency import receipt_for
from notifications.http.signatures import sign
from notifications.models import RawPayload
from notifications.store import insert, spool_import
from notifications.store.database_breaker import breaker
from notifications.store.new_payload import OTHER_BYTES, Record, digest_of
from notifications.store.spool import spool
from notifications.store.spool_import import Importer, import_spool
from notifications.utils.file_locks import exclusive
from tests.support.threads import in_threads

pytestmark = pytest.mark.usefixtures("sqlite_file")


@pytest.fixture(autouse=True)
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the breaker is open it stays so, however slow the machine."""
    monkeypatch.setattr("notifications.store.database_breaker.PAUSE", 30.0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and does not end."""
    with closing(sys.modules["sqlite3"].connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def acknowledge(body: bytes, *, key: str) -> None:
    """As it was taken while nobody could ask the database for its key."""
    now = datetime.now(UTC)
    spool().write(Record(receipt_for("photo", key), "photo", body, digest_of(body), now, now, idempotency_key=key))


def waiting() -> int:
    return len(spool().waiting())


def test_a_test_that_may_not_use_the_database_is_told_though_a_connection_is_open(
    django_db_blocker: DjangoDbBlocker,
) -> None:
    keep("demo", b"x")
    with django_db_blocker.block(), pytest.raises(RuntimeError, match="not allowed"):
        keep("demo", b"y")
    assert (RawPayload.objects.count(), waiting()) == (1, 0)


def test_gives_the_receipt_of_what_it_stored() -> None:
    receipt = keep("photo", b"\0\xff", content_type="image/png", headers={"x-request-id": "7"})
    stored = RawPayload.objects.get(receipt=receipt)
    assert (stored.source, stored.body, stored.size) == ("photo", b"\0\xff", 2)
    assert (stored.content_type, stored.headers) == ("image/png", {"x-request-id": "7"})
    assert (stored.state, stored.attempts, stored.next_attempt_at) == ("received", 0, stored.received_at)
    assert waiting() == 0


def test_credentials_and_cookies_are_not_stored() -> None:
    headers = {"Cookie": "sessionid=1", "Authorization": "Bearer x", "X-Api-Key": "x", "X-Shop": "42"}
    receipt = keep("demo", b"x", headers=headers)
    assert RawPayload.objects.get(receipt=receipt).headers == {"x-shop": "42"}


def test_another_connection_sees_it_at_once(sqlite_file: Path) -> None:
    keep("photo", b"x")
    with closing(sqlite3.connect(sqlite_file)) as other:
        assert other.execute("SELECT count(*) FROM notifications_rawpayload").fetchone() == (1,)


@pytest.mark.parametrize("body", ["text", None, bytearray(b"x"), memoryview(b"x"), 7])
def test_takes_bytes_only(body: Any) -> None:
    with pytest.raises(TypeError, match="write keep"):
        keep("photo", body)


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(UnknownSource, match="NOTIFICATIONS_SOURCES"):
        keep("nobody", b"x")
    with pytest.raises(OverflowError):
        keep("photo", b"x", not_before=datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))))
    with pytest.raises(ValueError, match="time zone"):
        keep("photo", b"x", not_before=datetime(2030, 1, 1))
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("key", ["", "k" * 256, "a\0b", "\ud800", "new\nline"])
def test_refuses_keys_that_no_database_would_take(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        keep("photo", b"x", key=key)
    assert not RawPayload.objects.exists()


def test_a_key_gives_the_same_receipt() -> None:
    receipts = {keep("photo", b"x", key="1"), keep("photo", b"x", key="1")}
    assert len(receipts) == RawPayload.objects.count() == 1
    assert keep("welcome", b"x", key="1") not in receipts
    with pytest.raises(KeyReused):
        keep("photo", b"y", key="1")


def test_not_before() -> None:
    at = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    stored = RawPayload.objects.get(receipt=keep("photo", b"x", not_before=at))
    assert stored.next_attempt_at == at
    assert RawPayload.objects.next_due() == at


def test_odd_texts_are_stored_or_replaced() -> None:
    receipt = keep("photo", b"x", content_type="a\0\ud800", headers={"a": "\0\ud800", "b\udfff": "é"})
    stored = RawPayload.objects.get(receipt=receipt)
    assert stored.content_type == "a\ufffd?"
    assert stored.headers == {"a": "\0\ud800", "b\udfff": "é"}


def test_a_rollback_takes_it_back() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        keep("photo", b"x")
        raise ZeroDivisionError
    assert not RawPayload.objects.exists()
    assert waiting() == 0


def test_a_reused_key_leaves_the_transaction_whole() -> None:
    keep("photo", b"x", key="1")
    with transaction.atomic():
        with pytest.raises(KeyReused):
            keep("photo", b"y", key="1")
        keep("photo", b"z")
    assert RawPayload.objects.count() == 2


def test_inside_a_transaction_the_database_error_is_the_callers(sqlite_file: Path) -> None:
    connection.settings_dict["OPTIONS"]["transaction_mode"] = "DEFERRED"
    connection.close()
    with locked(sqlite_file), pytest.raises(OperationalError), transaction.atomic():
        connection.connection.execute("PRAGMA busy_timeout = 10")
        keep("photo", b"x")
    assert waiting() == 0
    assert not breaker.is_open()


class TestDatabaseAway:
    def test_locked(self, sqlite_file: Path, caplog: pytest.LogCaptureFixture) -> None:
        with locked(sqlite_file):
            receipts = [keep("photo", b"%d" % number) for number in range(20)]
            assert caplog.text.count("The database took no payload") < 5, "each waited for the lock: no breaker"
            assert waiting() == 20
            assert not RawPayload.objects.exists()
        assert import_spool() == 20
        assert set(RawPayload.objects.values_list("receipt", flat=True)) == set(receipts)
        assert waiting() == import_spool() == 0

    def test_locked_for_a_new_thread(self, sqlite_file: Path) -> None:
        def run() -> None:
            keep("photo", b"x")
            connections.close_all()

        with locked(sqlite_file):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join(4)  # the connection's own patience is 5 s
            assert not thread.is_alive()
        assert waiting() == 1

    def test_only_keep_is_impatient(self) -> None:
        keep("photo", b"x")
        with connection.cursor() as cursor:
            assert cursor.execute("PRAGMA busy_timeout").fetchone() == (5000,)
        assert bounded_wait.LOCKED_MS < 2000

    def test_the_breaker_leaves_the_database_alone_for_a_moment(self) -> None:
        breaker.open()
        keep("photo", b"x")
        assert (waiting(), RawPayload.objects.count()) == (1, 0)
        breaker.close()
        keep("photo", b"y")
        assert (waiting(), RawPayload.objects.count()) == (1, 1)

    def test_no_table(self) -> None:
        with connection.schema_editor() as editor:
            editor.delete_model(RawPayload)
        keep("photo", b"x")
        assert waiting() == 1
        with pytest.raises(OperationalError):
            import_spool()
        assert waiting() == 1
        with connection.schema_editor() as editor:
            editor.create_model(RawPayload)
        assert import_spool() == 1
        assert RawPayload.objects.get().body == b"x"

    def test_read_only(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 1")  # as a read-only file: root may write to any
            keep("photo", b"x")
            cursor.execute("PRAGMA query_only = 0")
        assert waiting() == 1

    def test_no_file(self, sqlite_file: Path) -> None:
        connection.close()
        connection.settings_dict["NAME"] = str(sqlite_file.parent / "missing" / "x.sqlite3")
        keep("photo", b"x")
        assert waiting() == 1

    def test_the_row_is_as_if_nothing_had_been(self) -> None:
        at = datetime(2030, 1, 1, tzinfo=UTC)
        breaker.open()
        receipt = keep("photo", b"a\nb\0\xff", content_type="é\0", headers={"x": "\ud800"}, key="k", not_before=at)
        import_spool()
        stored = RawPayload.objects.get(receipt=receipt)
        assert (stored.body, stored.content_type, stored.headers) == (b"a\nb\0\xff", "é\ufffd", {"x": "\ud800"})
        assert (stored.idempotency_key, stored.next_attempt_at, stored.state) == ("k", at, "received")
        assert (stored.size, stored.attempts) == (5, 0)

    def test_a_key_gives_the_same_receipt(self) -> None:
        breaker.open()
        receipts = {keep("photo", b"x", key="1"), keep("photo", b"x", key="1")}
        with pytest.raises(KeyReused):
            keep("photo", b"y", key="1")
        breaker.close()
        receipts.add(keep("photo", b"x", key="1"))
        import_spool()
        assert receipts == set(RawPayload.objects.values_list("receipt", flat=True))
        assert len(receipts) == 1

    def test_other_bytes_under_a_used_key_are_in_quarantine(self, caplog: pytest.LogCaptureFixture) -> None:
        first = keep("photo", b"x", key="1")
        for body in (b"y", b"z", b"y"):
            acknowledge(body, key="1")
            import_spool()
        assert RawPayload.objects.get(receipt=first).body == b"x"
        others = RawPayload.objects.exclude(receipt=first)
        assert sorted(payload.body for payload in others) == [b"y", b"z"], "each of them, once"
        assert {(payload.state, payload.idempotency_key, payload.next_attempt_at) for payload in others} == {
            ("quarantined", "1", None)
        }
        assert {payload.error for payload in others} == {f"{OTHER_BYTES}: '1' came first with {first}."}
        assert [payload.first_of_key for payload in RawPayload.objects.order_by("pk")] == [None, first, first]
        assert all(str(payload.receipt) in caplog.text for payload in others)
        assert list(spool().folder.iterdir()) == []

    def test_they_are_in_quarantine_once_where_the_importer_dies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keep("photo", b"x", key="1")
        acknowledge(b"y", key="1")
        with monkeypatch.context() as patch:
            patch.setattr("notifications.store.spool.Spool.remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                import_spool()
        assert import_spool() == 1
        assert RawPayload.objects.count() == 2

    def test_what_the_release_before_has_set_aside_is_in_quarantine_too(self) -> None:
        """With the first or, where nobody has it any more, as if it were the first."""
        keep("photo", b"x", key="1")
        for key, body in (("1", b"y"), ("1", b"z"), ("2", b"2")):
            acknowledge(body, key=key)
            spool().set_aside(spool().waiting()[0], ".key-reused")
        assert import_spool() == 3
        rows = RawPayload.objects.order_by("pk").values_list("state", "idempotency_key")
        assert sorted(rows) == [("quarantined", "1"), ("quarantined", "1"), ("received", "1"), ("received", "2")]
        assert list(spool().folder.iterdir()) == []

    def test_a_crash_between_insert_and_unlink_repeats_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        breaker.open()
        keep("photo", b"x")
        with monkeypatch.context() as patch:
            patch.setattr("notifications.store.spool.Spool.remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                import_spool()
        assert (waiting(), RawPayload.objects.count()) == (1, 1)
        RawPayload.objects.update(state="done", next_attempt_at=None)
        assert import_spool() == 1
        assert (waiting(), RawPayload.objects.get().state) == (0, "done")

    def test_a_key_that_waits_in_the_spool_is_known_before_the_import(self) -> None:
        breaker.open()
        first = keep("photo", b"x", key="1")
        breaker.close()
        with pytest.raises(KeyReused):
            keep("photo", b"y", key="1")
        assert keep("photo", b"x", key="1") == first
        assert not RawPayload.objects.exists()
        import_spool()
        with pytest.raises(KeyReused):
            keep("photo", b"y", key="1")
        assert keep("photo", b"x", key="1") == RawPayload.objects.get().receipt == first

    @pytest.mark.parametrize("error", [IntegrityError, DataError, OverflowError])
    def test_what_the_database_refuses_is_kept_and_set_aside(
        self, error: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        insert_row = insert.insert

        def refuse(record: Record, db: Any, **notifies: bool) -> bool:
            if record.body == b"bad":
                raise error("never")
            return insert_row(record, db, **notifies)

        monkeypatch.setattr(insert, "insert", refuse)
        assert Client().generic("POST", "/in/demo/", b"bad").status_code == 202
        assert not breaker.is_open(), "it takes others"
        breaker.open()
        keep("photo", b"good")
        assert import_spool() == 2
        assert RawPayload.objects.get().body == b"good"
        (aside,) = spool().folder.glob("*.damaged")
        assert aside.read_bytes().endswith(b"\nbad")

    def test_what_a_release_before_has_set_aside_is_imported(self) -> None:
        """It has read files of this one, after a roll-back: for it they were damaged, and are not."""
        breaker.open()
        receipts = {keep("photo", b"%d" % number) for number in range(3)}
        for path in spool().waiting():
            spool().set_aside(path, ".damaged")
        (spool().folder / f"{uuid.uuid4().hex}.1a2b3c4d.damaged").write_bytes(b"really")
        assert import_spool() == 3
        assert set(RawPayload.objects.values_list("receipt", flat=True)) == receipts
        assert [path.read_bytes() for path in spool().folder.iterdir()] == [b"really"]
        assert import_spool() == 0, "what is damaged is looked at once"

    def test_that_waits_for_the_database_too(self) -> None:
        breaker.open()
        keep("photo", b"x")
        spool().set_aside(spool().waiting()[0], ".damaged")
        with connection.schema_editor() as editor:
            editor.delete_model(RawPayload)
        with pytest.raises(OperationalError):
            import_spool()
        with connection.schema_editor() as editor:
            editor.create_model(RawPayload)
        assert import_spool() == 1
        assert RawPayload.objects.get().body == b"x"

    def test_one_that_fails_alone_holds_up_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        insert_row = insert.insert

        def fail(record: Record, db: Any) -> bool:
            if record.body == b"too much":
                raise OperationalError("out of memory")
            return insert_row(record, db)

        breaker.open()
        for body in (b"1", b"too much", b"2"):
            keep("photo", body)
        with monkeypatch.context() as patch:
            patch.setattr(insert, "insert", fail)
            assert import_spool() == 2
            assert (import_spool(), waiting()) == (0, 1), "it waits for a moment"
            assert RawPayload.objects.count() == 2
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + spool_import.LATER)
        monkeypatch.setattr(spool_import, "time", clock)
        assert import_spool() == 1
        assert sorted(bytes(payload.body) for payload in RawPayload.objects.all()) == [b"1", b"2", b"too much"]

    def test_what_is_imported_comes_in_order(self) -> None:
        breaker.open()
        receipts = [keep("photo", b"%d" % number) for number in range(50)]
        import_spool()
        assert list(RawPayload.objects.order_by("pk").values_list("receipt", flat=True)) == receipts

    def test_is_imported_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spool_import, "BATCH", 4)
        monkeypatch.setattr(spool_import, "LISTED", 7)
        breaker.open()
        receipts = [keep("photo", b"%d" % number) for number in range(10)]
        assert [import_spool() for _ in range(5)] == [4, 3, 3, 0, 0]
        assert list(RawPayload.objects.order_by("pk").values_list("receipt", flat=True)) == receipts

    def test_what_is_in_quarantine_stays_there(self) -> None:
        breaker.open()
        now = datetime.now(UTC)
        spool().write(Record(uuid.uuid4(), "photo", b"x", digest_of(b"x"), now, now, quarantined_for="no signature"))
        import_spool()
        stored = RawPayload.objects.get()
        assert (stored.state, stored.error, stored.next_attempt_at) == ("quarantined", "no signature", None)

    def test_one_process_imports_at_a_time(self) -> None:
        breaker.open()
        keep("photo", b"x")
        with exclusive(spool_import.lock_path()) as alone:
            assert alone
            assert import_spool() == 0
        assert import_spool() == 1

    def test_many_importers_at_once(self) -> None:
        breaker.open()
        receipts = {keep("photo", b"%d" % number) for number in range(60)}
        in_threads(4, lambda _: Importer(spool()).run())  # each process has its own
        assert set(RawPayload.objects.values_list("receipt", flat=True)) == receipts
        assert waiting() == 0


class TestUsedKeys:
    """The breaker is open all along: the pause is longer than these tests."""

    def test_just_after_the_lock_has_gone(self, sqlite_file: Path) -> None:
        for number in range(10):
            with locked(sqlite_file):
                first = keep("photo", b"first", key=f"{number}")
            assert waiting() == 1
            breaker.open()
            if number % 2:  # the worker was faster
                import_spool()
                assert waiting() == 0
                breaker.open()
            with pytest.raises(KeyReused):
                keep("photo", b"other", key=f"{number}")
            assert keep("photo", b"first", key=f"{number}") == first
            while import_spool():
                pass
        assert {payload.body for payload in RawPayload.objects.all()} == {b"first"}
        assert RawPayload.objects.count() == 10

    def test_while_it_is_locked(self, sqlite_file: Path) -> None:
        """Who reads a SQLite waits for nobody."""
        keep("photo", b"first", key="1")
        with locked(sqlite_file):
            for _ in range(3):
                with pytest.raises(KeyReused):
                    keep("photo", b"other", key="1")
        assert waiting() == 0

    def test_in_a_transaction_too(self) -> None:
        breaker.open()
        first = keep("photo", b"first", key="1")
        with transaction.atomic():
            with pytest.raises(KeyReused):
                keep("photo", b"other", key="1")
            assert keep("photo", b"first", key="1") == first
        import_spool()
        assert RawPayload.objects.get().body == b"first"

    def test_one_that_is_imported_while_the_other_is_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The other is on the disk by then: it is not acknowledged, and where people look all the same."""
        write = type(spool()).write

        def write_late(self: Any, record: Record, **options: Any) -> bool:
            if record.body == b"other":
                acknowledge(b"first", key="1")
                import_spool()
                breaker.open()
            return write(self, record, **options)

        monkeypatch.setattr(type(spool()), "write", write_late)
        breaker.open()
        with pytest.raises(KeyReused):
            keep("photo", b"other", key="1")
        import_spool()
        assert sorted(RawPayload.objects.values_list("state", flat=True)) == ["quarantined", "received"]

    def test_a_database_that_cannot_be_asked_is_no_reason_to_refuse(self) -> None:
        with connection.schema_editor() as editor:
            editor.delete_model(RawPayload)
        breaker.open()
        keep("photo", b"first", key="1")
        assert waiting() == 1

    def test_an_import_ends_the_pause_of_all(self) -> None:
        breaker.open()
        keep("photo", b"x")
        import_spool()
        keep("photo", b"y")
        assert (waiting(), RawPayload.objects.count(), breaker.is_open()) == (0, 2, False)


class TestQuarantine:
    """Bad signatures while the database is away: anybody can send them."""

    @pytest.fixture(autouse=True)
    def away(self, settings: Any, sqlite_file: Path) -> None:
        rules = {"http": True, "signature": "github", "secrets": ["s" * 20], "bad_signature": "quarantine"}
        settings.NOTIFICATIONS_SOURCES = {"hook": rules | {"max_quarantined": 3}}
        breaker.open()

    @staticmethod
    def post(body: bytes, **environ: Any) -> Any:
        return Client().generic("POST", "/in/hook/", body, **environ)

    def test_goes_to_the_spool(self) -> None:
        answer = self.post(b"x")
        assert answer.status_code == 202
        breaker.close()
        import_spool()
        stored = RawPayload.objects.get()
        assert (str(stored.receipt), stored.state) == (json.loads(answer.content)["id"], "quarantined")

    def test_takes_no_key_away(self) -> None:
        signed = sign("github", b"x", "s" * 20, time.time())
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.items()}
        forged = self.post(b"forged", HTTP_IDEMPOTENCY_KEY="1")
        good = [self.post(b"x", HTTP_IDEMPOTENCY_KEY="1", **headers) for _ in range(2)]
        assert [answer.status_code for answer in (forged, *good)] == [202] * 3
        assert good[0].content == good[1].content != forged.content
        breaker.close()
        import_spool()
        assert sorted(RawPayload.objects.values_list("state", flat=True)) == ["quarantined", "received"]

    def test_no_more_than_may(self) -> None:
        assert [self.post(b"x").status_code for _ in range(5)] == [202] * 3 + [401] * 2

    def test_fills_a_tenth_of_the_spool(self, settings: Any) -> None:
        settings.NOTIFICATIONS_SPOOL_MAX_BYTES = 20_000
        answers = [self.post(b"x" * 700).status_code for _ in range(3)]
        assert answers == [202, 401, 401]
        assert sum(file.stat().st_size for file in spool().folder.iterdir()) <= 2000


class TestNowhere:
    def test_a_full_spool(self, settings: Any) -> None:
        settings.NOTIFICATIONS_SPOOL_MAX_BYTES = 3000
        breaker.open()
        with pytest.raises(NowhereToStore):
            for _ in range(10):
                keep("photo", b"x" * 500)
        assert 1 <= waiting() <= 5
        assert sum(file.stat().st_size for file in spool().folder.iterdir()) <= 3000

    def test_a_full_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        breaker.open()
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(NowhereToStore):
            keep("photo", b"x")
        assert list(spool().folder.iterdir()) == []

    def test_over_http(self, settings: Any) -> None:
        settings.NOTIFICATIONS_SPOOL_MAX_BYTES = 0
        breaker.open()
        response = Client().generic("POST", "/in/demo/", b"x")
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert (waiting(), RawPayload.objects.count()) == (0, 0)


class TestOverHttp:
    def test_the_answer_is_the_same_from_the_spool(self, sqlite_file: Path) -> None:
        with locked(sqlite_file):
            response = Client().generic("POST", "/in/demo/", b"\0raw", HTTP_IDEMPOTENCY_KEY="1")
        assert response.status_code == 202
        breaker.close()
        assert Client().generic("POST", "/in/demo/", b"\0raw", HTTP_IDEMPOTENCY_KEY="1").content == response.content
        import_spool()
        stored = RawPayload.objects.get()
        assert (stored.receipt, stored.body) == (uuid.UUID(json.loads(response.content)["id"]), b"\0raw")

    def test_a_quota_does_not_ask_a_database_that_is_away(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"http": True, "max_waiting": 1}}
        asked: list[int] = []
        monkeypatch.setattr(insert, "insert", lambda *_: asked.append(1))
        with connection.schema_editor() as editor:
            editor.delete_model(RawPayload)
        assert Client().generic("POST", "/in/demo/", b"x").status_code == 202
        assert (asked, waiting()) == ([], 1)
