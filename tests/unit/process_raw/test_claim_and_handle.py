"""process_raw, turn by turn, on a real SQLite file."""

import itertools
import select
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.utils import OperationalError
from django.utils import timezone

from notifications import keep
from notifications.models import RawPayload, ReportRow, State
from notifications.models.claims import RawPayloadQuerySet
from notifications.process_raw import claim_and_handle as module
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from notifications.workers import outage
from notifications.workers.loop import Stop
from notifications.workers.outage import Outage
from tests.contracts.leases import LeasesCases
from tests.support.payloads import claim, expire, kept, make_due, states

pytestmark = pytest.mark.usefixtures("sqlite_file")
Register = Callable[..., None]


@pytest.fixture
def make(stop: Stop) -> Iterator[Callable[..., ProcessRaw]]:
    made: list[ProcessRaw] = []

    def make(**options: Any) -> ProcessRaw:
        made.append(ProcessRaw(stop, **options))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


Make = Callable[..., ProcessRaw]


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause is over at once."""
    monkeypatch.setattr(Outage, "seconds_left", lambda _: 0.0)


def readable(worker: ProcessRaw) -> bool:
    descriptor = worker.fileno()
    assert descriptor is not None
    return bool(select.select([descriptor], [], [], 0)[0])


def drain(worker: ProcessRaw) -> None:
    while worker.poll() == 0:
        pass


class TestDrain:
    def test_handles_all_that_is_due(self, on_demo: Register) -> None:
        seen: list[bytes] = []
        on_demo(lambda payload: seen.append(payload.body))
        for number in range(120):
            keep("demo", b"%d" % number)
        keep("demo", b"later", not_before=timezone.now() + timedelta(hours=1))
        call_command("process_raw", "--drain", "--batch", "7")
        assert seen == [b"%d" % number for number in range(120)]
        assert states().count("done") == 120

    def test_only_the_given_sources(self, on_demo: Register) -> None:
        on_demo(lambda _: None, source="photo")
        on_demo(lambda _: None)
        kept(source="photo")
        kept()
        call_command("process_raw", "--drain", "--source", "photo")
        assert states() == ["done", "received"]

    def test_threads(self, on_demo: Register) -> None:
        together = threading.Barrier(2, timeout=30)
        on_demo(lambda _: together.wait() and None, atomic=False)
        for _ in range(4):
            kept()
        call_command("process_raw", "--drain", "--threads", "2", "--batch", "1")
        assert states() == ["done"] * 4

    @pytest.mark.parametrize("options", [["--source", "nobody"], ["--batch", "0"], ["--threads", "0"]])
    def test_options_that_make_no_sense(self, options: list[str]) -> None:
        with pytest.raises(CommandError):
            call_command("process_raw", "--drain", *options)

    def test_failures_leave_the_neighbours_alone(self, on_demo: Register) -> None:
        def fail_on_2(payload: RawPayload) -> None:
            ReportRow.objects.create(name=bytes(payload.body).decode(), day=date(2030, 1, 1))
            assert payload.body != b"2"

        on_demo(fail_on_2)
        for number in range(5):
            kept(b"%d" % number)
        call_command("process_raw", "--drain")
        assert states() == ["done", "done", "retrying", "done", "done"]
        assert set(ReportRow.objects.values_list("name", flat=True)) == {"0", "1", "3", "4"}


class TestIdle:
    def test_sleeps_until_the_next_is_due(self, make: Make) -> None:
        worker = make()
        assert worker.poll() == 1.0
        kept(not_before=timezone.now() + timedelta(seconds=0.5))
        delay = worker.poll()
        assert delay is not None
        assert 0 < delay <= 0.5

    def test_what_others_do_is_no_reason_to_turn(self, make: Make) -> None:
        """A worker of one source must not spin because another source has something due."""
        kept(source="photo")
        assert make(sources=["demo"]).poll() == 1.0

    def test_a_new_payload_wakes_it(self, make: Make) -> None:
        worker = make()
        assert worker.poll() == 1.0
        assert not readable(worker)
        kept()
        assert readable(worker)
        assert worker.poll() == 0
        worker.poll()
        assert not readable(worker)

    def test_without_a_wake_up_socket_it_polls(
        self, make: Make, on_demo: Register, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse() -> None:
            raise OSError

        on_demo(lambda _: None)
        monkeypatch.setattr("notifications.process_raw.wait_for_work.Sleeper", refuse)
        worker = make()
        kept()
        assert worker.poll() == 0
        assert states() == ["done"]


class TestStopping:
    def test_finishes_what_is_in_hand_and_gives_back_the_rest(self, make: Make, stop: Stop, on_demo: Register) -> None:
        on_demo(lambda _: stop.set())
        for _ in range(4):
            kept()
        make().poll()
        assert states() == ["done", "received", "received", "received"]
        assert list(RawPayload.objects.values_list("attempts", flat=True).order_by("pk")) == [1, 0, 0, 0]
        assert not RawPayload.objects.filter(lease_token__isnull=False).exists()


class TestOthers(LeasesCases):
    def test_takes_over_when_a_lease_has_run_out(self, make: Make, on_demo: Register) -> None:
        on_demo(lambda _: None)
        for _ in range(3):
            kept()
        claim()
        worker = make()
        drain(worker)
        assert states() == ["processing"] * 3
        expire()
        drain(worker)
        make_due()
        drain(worker)
        assert states() == ["done"] * 3
        assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [2, 1, 1]

    def test_what_failed_is_claimed_one_by_one(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        limits: list[tuple[str, int]] = []
        claim_it = type(RawPayload.objects).claim

        def spy(self: Any, state: State, *, limit: int, **options: Any) -> Any:
            limits.append((state, limit))
            return claim_it(self, state, limit=limit, **options)

        monkeypatch.setattr(type(RawPayload.objects), "claim", spy)
        make(batch=9).poll()
        assert limits == [("received", 9), ("retrying", 1)]

    def test_a_long_batch_is_renewed(self, make: Make, on_demo: Register, settings: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"lease": 60.0}}
        now = 1000.0
        left: list[float] = []

        def slow(payload: RawPayload) -> None:
            nonlocal now
            now += 50
            until = RawPayload.objects.values_list("lease_until", flat=True).get(pk=payload.pk)
            assert until is not None
            left.append((until - timezone.now()).total_seconds())
            RawPayload.objects.filter(state="processing").update(lease_until=timezone.now() + timedelta(seconds=1))

        on_demo(slow)
        for _ in range(5):
            kept()
        worker = make()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
            worker.poll()
        assert [seconds > 60 for seconds in left] == [True, False, True, False, True]
        assert states() == ["done"] * 5


class TestPause:
    """However many posts wake it meanwhile: each would be a try, and a line in the log."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        clock = SimpleNamespace(now=1000.0)
        clock.monotonic = lambda: clock.now
        monkeypatch.setattr(outage, "time", clock)
        return clock

    def test_is_kept_while_the_database_is_away(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: SimpleNamespace
    ) -> None:
        tries: list[float] = []

        def away() -> int:
            tries.append(clock.now)
            _away()
            return 0

        monkeypatch.setattr(module, "import_spool", away)
        worker = make()
        end = clock.now + 10
        while clock.now < end:  # 80 posts a second
            kept()
            delay = worker.poll()
            assert delay is not None
            assert 0 < delay <= 1.0
            assert worker.fileno() is None
            clock.now += 1 / 80
        pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
        assert min(pauses[2:]) >= 0.5, "the pause does not grow to a second, less its jitter"
        assert len([one for one in caplog.records if "The database is away" in one.message]) == 1

    def test_is_over_after_its_time(
        self, make: Make, on_demo: Register, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
    ) -> None:
        on_demo(lambda _: None)
        kept()
        worker = make()
        with monkeypatch.context() as patch:
            patch.setattr(module, "import_spool", _away)
            delay = worker.poll()
        assert delay
        clock.now += delay
        assert worker.poll() == 0
        assert worker.fileno() is not None
        assert states() == ["done"]

    def test_a_spool_that_cannot_be_read_is_tried_and_said_seldom(
        self,
        make: Make,
        on_demo: Register,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        clock: SimpleNamespace,
    ) -> None:
        tries: list[float] = []

        def broken() -> int:
            tries.append(clock.now)
            raise OSError(5, "Input/output error")

        on_demo(lambda _: None)
        monkeypatch.setattr(module, "import_spool", broken)
        worker = make()
        for _ in range(20):
            kept()
            assert worker.poll() == 0
        assert (len(tries), states()) == (1, ["done"] * 20)
        clock.now += 60
        worker.poll()
        assert len(tries) == 2
        assert len([one for one in caplog.records if "cannot be read" in one.message]) == 1


@pytest.fixture
def turn_clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time by which a turn looks at the spool: it passes only here."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(module, "time", clock)
    return clock


def spooled() -> None:
    """A payload that waits in the spool."""
    breaker.open()
    keep("demo", b"x")
    breaker.close()


@pytest.mark.usefixtures("no_pauses")
class TestDatabaseAway:
    def test_what_was_in_hand_is_taken_up_at_once(
        self, make: Make, on_demo: Register, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its neighbours need not wait for the lease; its own attempt counts: it may be what breaks the database."""
        on_demo(lambda _: None)
        for _ in range(3):
            kept()
        worker = make()
        with monkeypatch.context() as patch:
            patch.setattr(module, "handle", _away)
            assert worker.poll() != 0
        drain(worker)
        make_due()
        drain(worker)
        assert states() == ["done"] * 3
        assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [2, 1, 1]

    def test_a_commit_whose_answer_was_lost_is_asked_for_when_it_is_back(
        self, make: Make, on_demo: Register, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What waited for the commit is called once, whatever of it fails, and no neighbour's attempt counts."""
        called: list[object] = []
        database: Any = type(connections["default"])

        def handler(payload: RawPayload) -> None:
            transaction.on_commit(lambda: 1 / 0)
            transaction.on_commit(lambda: called.append(payload.pk))
            if not called:
                patch.setattr(database, "commit", lose_the_answer)

        def lose_the_answer(db: Any) -> None:
            db.connection.commit()
            patch.setattr(RawPayloadQuerySet, "is_done", _fails)
            _fails()

        on_demo(handler)
        first, second = kept(), kept()
        worker = make()
        with monkeypatch.context() as patch:
            assert worker.poll() != 0
            assert (called, states()) == ([], ["done", "processing"])
        drain(worker)
        assert called == [first.pk, second.pk]
        assert states() == ["done"] * 2
        assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 1]

    def test_one_that_breaks_the_database_is_dead_in_the_end(
        self, make: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 3}}
        kept()
        worker = make()
        monkeypatch.setattr(module, "handle", _away)
        for _ in range(10):
            worker.poll()
            make_due()
        assert states() == ["dead"]

    def test_a_worker_that_starts_imports_the_spool_before_anything_else(self, make: Make, on_demo: Register) -> None:
        on_demo(lambda _: None)
        spooled()
        assert make().poll() == 0
        assert (states(), spool().waiting()) == (["done"], [])

    @pytest.mark.usefixtures("turn_clock")
    def test_what_comes_now_does_not_wait_for_a_look_at_the_spool(self, make: Make, on_demo: Register) -> None:
        seen: list[int] = []
        on_demo(lambda _: seen.append(len(spool().waiting())))
        worker = make()
        drain(worker)
        spooled()
        kept()
        drain(worker)
        assert (seen, states()) == ([1, 0], ["done", "done"])

    def test_a_spool_empties_while_payloads_come_without_a_pause(
        self, make: Make, on_demo: Register, monkeypatch: pytest.MonkeyPatch, turn_clock: SimpleNamespace
    ) -> None:
        """A batch in each turn, once a second has passed."""
        monkeypatch.setattr("notifications.store.spool_import.BATCH", 1)
        on_demo(lambda _: None)
        worker = make()
        drain(worker)
        for _ in range(3):
            spooled()
        left = []
        for seconds in (0.5, 0.5, 0.0, 0.0):
            turn_clock.now += seconds
            kept()
            assert worker.poll() == 0
            left.append(len(spool().waiting()))
        assert left == [3, 2, 1, 0]

    def test_what_a_dead_worker_had_is_released_before_the_next_may_die(self, make: Make, on_demo: Register) -> None:
        """Else a handler that kills each worker would leave all that they claimed, as long as payloads come."""
        kept()
        claim()
        expire()
        kept()
        seen = []
        on_demo(lambda _: seen.append(states()))
        make().poll()
        assert seen[0] == ["retrying", "processing"]

    def test_no_attempt_is_counted_before_the_handler_was_called(
        self, make: Any, on_demo: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 1}}
        handled: list[int] = []
        on_demo(lambda payload: handled.append(payload.attempts))
        kept()
        worker = make()
        with monkeypatch.context() as patch:
            patch.setattr(RawPayloadQuerySet, "load", _fails)
            worker.poll()
        worker.poll()
        assert (handled, states()) == ([1], ["done"])


def _fails(*_: object, **__: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def _away(*_: object) -> int:
    raise OperationalError("server closed the connection unexpectedly")


def test_leaves_no_connection_open(stop: Stop) -> None:
    def run() -> None:
        worker = ProcessRaw(stop)
        worker.poll()
        worker.close()
        left.extend(one for one in connections.all(initialized_only=True) if one.connection is not None)

    left: list[Any] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert left == []
    assert connection.is_usable()
