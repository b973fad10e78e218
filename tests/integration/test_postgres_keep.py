"""The keep lane on a real PostgreSQL: claims of many workers at once, NOTIFY, and a server that goes away."""

import json
import math
import select
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, connection, connections, transaction
from django.test import Client

from notifications import keep
from notifications.database import bounded_wait
from notifications.errors import KeyReused
from notifications.models import RawPayload, ReportRow, State
from notifications.process_raw import wait_for_work
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.process_raw.wait_for_work import Listener
from notifications.store import wake_workers
from notifications.store.spool import spool
from notifications.workers.loop import Stop
from tests.contracts.claims import PayloadCases
from tests.support.payloads import claim, claimed, expire, make_due, release_expired, states
from tests.support.threads import in_threads
from tests.support.wait import wait_for

pytestmark = [
    pytest.mark.services,
    pytest.mark.usefixtures("postgres_database"),
]
Register = Callable[..., None]
DAY = datetime(2030, 1, 1, tzinfo=UTC).date()


class TestPayloads(PayloadCases):
    """On PostgreSQL."""


class TestTogether:
    def test_no_payload_is_claimed_twice(self) -> None:
        for number in range(300):
            keep("demo", b"%d" % number)

        def work(_: int) -> list[int]:
            mine: list[int] = []
            while payloads := claim(7).payloads:
                assert len(payloads) <= 7
                mine += [pk for pk, _ in payloads]
            return mine

        got = in_threads(4, work)
        assert Counter(pk for mine in got for pk in mine) == Counter(RawPayload.objects.values_list("pk", flat=True))
        assert sum(bool(mine) for mine in got) > 1, "one had all of them"

    def test_what_another_is_just_claiming_is_skipped_without_waiting(self) -> None:
        for _ in range(4):
            keep("demo", b"x")
        holding, checked = threading.Event(), threading.Event()

        def hold(_: int) -> None:
            with transaction.atomic():
                claim(2)
                holding.set()
                assert checked.wait(30)

        thread = threading.Thread(target=in_threads, args=[1, hold])
        thread.start()
        assert holding.wait(30)
        assert len(claim(50).payloads) == 2
        checked.set()
        thread.join(60)
        assert claim(50).payloads == []

    def test_two_workers_handle_each_payload_once(self, on_demo: Register) -> None:
        tokens: set[object] = set()

        def handle(payload: RawPayload) -> None:
            tokens.add(payload.lease_token)
            ReportRow.objects.create(name=payload.body.decode(), day=DAY)

        on_demo(handle)
        names = [str(number) for number in range(200)]
        for name in names:
            keep("demo", name.encode())

        def work(_: int) -> None:
            stop = Stop()
            worker = ProcessRaw(stop, batch=5, drain=True)
            while worker.poll() is not None:
                pass
            worker.close()
            stop.close()

        in_threads(2, work)
        assert sorted(ReportRow.objects.values_list("name", flat=True)) == sorted(names)
        assert states() == ["done"] * 200
        assert len(tokens) == 2

    def test_expired_leases_are_counted_once(self) -> None:
        for _ in range(20):
            keep("demo", b"x")
        claim(20)
        expire()
        assert sum(in_threads(4, lambda _: release_expired())) == 20
        assert sorted(RawPayload.objects.values_list("attempts", flat=True)) in ([0] * 19 + [1], [0] * 18 + [1, 1])

    def test_the_slower_of_two_takes_its_effects_back(self) -> None:
        keep("demo", b"x")
        (slow,) = claimed()
        expire()
        release_expired()
        make_due()
        (fast,) = claimed(state=State.RETRYING)
        with fast.done():
            ReportRow.objects.create(name="fast", day=DAY)
        with pytest.raises(Exception, match="claimed by another"), slow.done():
            ReportRow.objects.create(name="slow", day=DAY)
        assert list(ReportRow.objects.values_list("name", flat=True)) == ["fast"]


class TestKeep:
    def test_any_bytes_and_odd_texts(self) -> None:
        body = bytes(range(256)) * 40
        receipt = keep("demo", body, content_type="a\0\ud800", headers={"x": "\0\ud800"}, key="schlüssel")
        stored = RawPayload.objects.get(receipt=receipt)
        assert (bytes(stored.body), stored.headers) == (body, {"x": "\0\ud800"})
        assert keep("demo", body, key="schlüssel") == receipt

    def test_over_http(self) -> None:
        answer = Client().generic("POST", "/in/demo/", b"\0\xff", QUERY_STRING="a=\0", HTTP_X="\0\xff")
        assert answer.status_code == 202
        stored = RawPayload.objects.get(receipt=json.loads(answer.content)["id"])
        assert (bytes(stored.body), stored.query) == (b"\0\xff", "a=\ufffd")

    def test_the_longest_key_fits_the_index(self) -> None:
        assert keep("demo", b"x", key="\U0001f600" * 255)
        with pytest.raises(ValueError, match="key"):
            keep("demo", b"x", key="k" * 256)

    def test_many_at_once_with_one_key(self) -> None:
        receipts = in_threads(6, lambda _: keep("demo", b"x", key="1"))
        assert len(set(receipts)) == RawPayload.objects.count() == 1

    def test_what_no_database_takes_is_the_callers_error_and_leaves_no_spool(self) -> None:
        with pytest.raises(DataError):
            RawPayload.objects.create(source="\0", received_at=datetime.now(UTC), size=0, inline_body=b"")
        assert spool().waiting() == []


class TestRoundTrips:
    """libpq's own record of what goes over the line, counted by the answer that ends each round trip."""

    @staticmethod
    def of_a_post(folder: Path, **headers: str) -> str:
        with (folder / "trace").open("w+b") as file:
            connection.connection.pgconn.trace(file.fileno())
            answer = Client().post("/in/demo/", b"x", content_type="text/plain", headers=headers)
            connection.connection.pgconn.untrace()
            file.seek(0)
            assert answer.status_code == 202
            return file.read().decode()

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["without a key", "with a key"])
    @pytest.mark.parametrize("quiet", [0.0, math.inf], ids=["sends a NOTIFY", "sends none"])
    def test_a_capture_is_one(
        self, headers: dict[str, str], quiet: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection.ensure_connection()
        db: Any = connections["default"]
        monkeypatch.setattr(db, "health_check_enabled", True)  # as CONN_HEALTH_CHECKS does when a request starts
        db.health_check_done = False
        wake_workers.notifier.quiet_until = quiet
        trace = self.of_a_post(tmp_path, **headers)
        assert trace.count("ReadyForQuery") == 1
        assert ("pg_notify" in trace) == (quiet == 0.0)
        assert "BEGIN" not in trace

    def test_a_repeated_key_is_two_and_wakes_nobody(self, tmp_path: Path) -> None:
        keep("demo", b"x", key="k")
        wake_workers.notifier.quiet_until = 0.0
        assert self.of_a_post(tmp_path, **{"Idempotency-Key": "k"}).count("ReadyForQuery") == 2
        assert wake_workers.notifier.quiet_until == 0.0, "the next payload must send the NOTIFY"


class TestWakeUp:
    @pytest.fixture
    def listener(self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
        """A worker of another machine: with a wake folder of its own."""
        monkeypatch.setattr(wait_for_work, "RETRY_INTERVAL", 0.0)
        here = settings.NOTIFICATIONS_STATE_DIR
        settings.NOTIFICATIONS_STATE_DIR = tmp_path / "elsewhere"
        listener = Listener()
        listener.drain()
        settings.NOTIFICATIONS_STATE_DIR = here
        wake_workers.notifier.quiet_until = 0.0
        yield listener
        listener.close()

    @staticmethod
    def woken(listener: Listener, seconds: float = 10) -> bool:
        return bool(select.select([listener], [], [], seconds)[0])

    def test_notify_reaches_other_machines(self, listener: Listener) -> None:
        assert not self.woken(listener, 0)
        keep("demo", b"x")
        assert self.woken(listener)
        listener.drain()
        assert not self.woken(listener, 0)

    def test_after_the_commit_and_not_for_a_rollback(self, listener: Listener) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            keep("demo", b"x")
            raise ZeroDivisionError
        assert not self.woken(listener, 0.05)
        with transaction.atomic():
            keep("demo", b"x")
            assert not self.woken(listener, 0.05)
        assert self.woken(listener)

    @pytest.mark.parametrize(
        ("body", "commits"),
        [(b"x", False), (b"other", False), (b"x", True)],
        ids=["its row exists by then", "with another body", "it is stored"],
    )
    def test_while_one_is_on_its_way_others_send_none(
        self, body: bytes, commits: bool, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Commits with a NOTIFY wait for each other: with all, PostgreSQL made one fsync for each payload."""
        monkeypatch.setattr(wake_workers, "LONGEST_NOTIFY", 60.0)
        monkeypatch.setattr(bounded_wait, "LONGEST_STATEMENT", 60.0)
        keep("demo", b"x", key="k")
        self.settle(listener)

        def keep_it(_: int) -> None:
            with suppress(KeyReused):
                keep("demo", body, key="k")

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                RawPayload.objects.all().delete()  # whoever has the same key waits for this transaction
                first = pool.submit(in_threads, 1, keep_it)
                wait_for(self.is_one_on_its_way)
                in_threads(1, lambda _: (keep("demo", b"y"), keep("demo", b"z")))
                assert not self.woken(listener, 0.05), "one NOTIFY at a time"
                transaction.set_rollback(not commits)
            first.result(60)
        assert RawPayload.objects.count() == 3
        assert self.woken(listener), "the NOTIFY that all of them count on, though it may be of no payload of its own"

    @staticmethod
    def settle(listener: Listener) -> None:
        wait_for(lambda: select.select([listener], [], [], 0)[0])
        listener.drain()
        wake_workers.notifier.quiet_until = 0.0

    @staticmethod
    def is_one_on_its_way() -> bool:
        """Whether a connection runs an INSERT with a NOTIFY."""

        def ask(_: int) -> bool:  # by another connection: a transaction sees one state of pg_stat_activity
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
                    " AND datname = current_database() AND query LIKE '%pg_notify(%' AND state = 'active'"
                )
                return bool(cursor.fetchone()[0])

        return in_threads(1, ask)[0]

    def test_a_lost_connection_is_made_again(self, listener: Listener) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        assert self.woken(listener), "the lost connection wakes it"
        before = listener.database

        def reconnected() -> bool:
            listener.drain()
            return listener.database not in {None, before}

        wait_for(reconnected)
        wake_workers.notifier.quiet_until = 0.0
        keep("demo", b"x")
        assert self.woken(listener)
