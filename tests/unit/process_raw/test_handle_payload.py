"""handle(): what becomes of a payload whose handler returns, raises, or gives up."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.utils import ConnectionHandler
from django.utils import timezone

from notifications import GiveUp, RetryAt
from notifications.handlers import PayloadHandler, payload_handlers
from notifications.models import FailureGroup, RawPayload, ReportRow, State
from notifications.process_raw import handle_payload
from notifications.process_raw.handle_payload import handle, record_failure
from notifications.signals import payload_failed, payload_handled
from notifications.utils.failure_fingerprint import Failure
from tests.support.payloads import claimed, expire, kept, make_due, release_expired, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Register = Callable[..., None]
both_forms = pytest.mark.parametrize("atomic", [True, False])
DAY = date(2030, 1, 1)


def count(name: str = "effect") -> None:
    ReportRow.objects.create(name=name, day=DAY, count=1)


def divide(_: RawPayload) -> None:
    raise ZeroDivisionError


def handle_next(state: State = State.RECEIVED) -> bool:
    (payload,) = claimed(1, state=state)
    return handle(payload)


@pytest.fixture
def told() -> Iterator[list[tuple[str, Any]]]:
    """What the signals said."""
    told: list[tuple[str, Any]] = []

    def on_handled(payload: RawPayload, milliseconds: float, **_: Any) -> None:
        told.append(("handled", connection.in_atomic_block and milliseconds >= 0))

    def on_failed(payload: RawPayload, error: str, final: bool, **_: Any) -> None:
        told.append((error, final))

    payload_handled.connect(on_handled)
    payload_failed.connect(on_failed)
    yield told
    payload_handled.disconnect(on_handled)
    payload_failed.disconnect(on_failed)


@both_forms
def test_done(on_demo: Register, atomic: bool, told: list[Any]) -> None:
    seen: list[tuple[bytes, int]] = []
    on_demo(lambda payload: seen.append((payload.body, payload.attempts)), atomic=atomic)
    kept(b"body")
    assert handle_next()
    assert seen == [(b"body", 1)]
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts) == ("done", 1)
    assert told == [("handled", True)]


@both_forms
def test_a_failure_is_kept_with_its_traceback_and_tried_again(on_demo: Register, atomic: bool, told: list[Any]) -> None:
    def fail(_: RawPayload) -> None:
        raise ZeroDivisionError("the parser broke")

    on_demo(fail, atomic=atomic)
    kept()
    before = timezone.now()
    assert not handle_next()
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts, stored.lease_token) == ("retrying", 1, None)
    assert "Traceback" in stored.error
    assert "in fail" in stored.error
    assert stored.error.rstrip().endswith("ZeroDivisionError: the parser broke")
    assert stored.next_attempt_at is not None
    assert 0.5 <= (stored.next_attempt_at - before).total_seconds() < 60
    assert told == [("ZeroDivisionError: the parser broke", False)]


def test_back_off_grows(on_demo: Register) -> None:
    on_demo(divide)
    kept()
    waits = []
    for attempt in range(8):
        before = timezone.now()
        handle_next(State.RETRYING if attempt else State.RECEIVED)
        due = RawPayload.objects.get().next_attempt_at
        assert due is not None
        waits.append((due - before).total_seconds())
        make_due()
    for attempt, wait in enumerate(waits):
        assert 0.5 * 2**attempt <= wait < 2**attempt + 30


def test_dead_after_its_attempts(on_demo: Register, settings: Any, told: list[Any]) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 2}}
    on_demo(divide)
    kept()
    handle_next()
    make_due()
    handle_next(State.RETRYING)
    assert (states(), RawPayload.objects.get().attempts) == (["dead"], 2)
    assert "ZeroDivisionError" in RawPayload.objects.get().error
    assert [final for _, final in told] == [False, True]


@pytest.mark.parametrize(("reason", "error"), [("No such customer", "No such customer"), ("", "The handler gave up.")])
def test_giving_up(on_demo: Register, told: list[Any], reason: str, error: str) -> None:
    def give_up(_: RawPayload) -> None:
        count()
        raise GiveUp(reason)

    on_demo(give_up)
    kept()
    assert not handle_next()
    assert (states(), RawPayload.objects.get().error) == (["dead"], error)
    assert not ReportRow.objects.exists()
    assert told == [(error, True)]


def test_no_handler_is_a_failure_that_says_what_to_write() -> None:
    payload_handlers.pop("nobody", None)
    kept()
    RawPayload.objects.update(source="nobody")
    assert not handle_next()
    assert states() == ["retrying"]
    assert '@on_payload("nobody")' in RawPayload.objects.get().error


def test_a_source_that_is_configured_no_more_has_the_default_attempts(on_demo: Register, settings: Any) -> None:
    on_demo(divide)
    kept()
    settings.NOTIFICATIONS_SOURCES = {}
    for attempt in range(16):
        handle_next(State.RETRYING if attempt else State.RECEIVED)
        make_due()
    assert states() == ["dead"]


@both_forms
def test_a_failure_takes_its_effects_back(on_demo: Register, atomic: bool) -> None:
    def fail(payload: RawPayload) -> None:
        if atomic:
            count()
            raise ZeroDivisionError
        with payload.done():
            count()
            raise ZeroDivisionError

    on_demo(fail, atomic=atomic)
    kept()
    assert not handle_next()
    assert not ReportRow.objects.exists()
    assert states() == ["retrying"]


def test_raising_after_done_undoes_nothing(on_demo: Register, caplog: pytest.LogCaptureFixture) -> None:
    def fail_late(payload: RawPayload) -> None:
        with payload.done():
            count()
        raise ZeroDivisionError

    on_demo(fail_late, atomic=False)
    kept()
    assert handle_next()
    assert (states(), ReportRow.objects.count()) == (["done"], 1)
    assert "ZeroDivisionError" in caplog.text


@both_forms
def test_a_lease_that_ran_out_meanwhile_takes_the_effects_back(
    on_demo: Register, atomic: bool, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def slow(payload: RawPayload) -> None:
        if atomic:
            count()
        else:
            with payload.done():
                count()

    on_demo(slow, atomic=atomic)
    kept()
    (payload,) = claimed()
    RawPayload.objects.update(state="retrying", lease_token=None)
    assert not handle(payload)
    assert not ReportRow.objects.exists()
    assert "claimed by another worker" in caplog.text
    assert ("handled", True) in told, "it was told inside the transaction, which rolled back"
    assert len(told) == 1


def test_a_failure_under_a_lost_lease_is_not_recorded(on_demo: Register, told: list[Any]) -> None:
    def slow_and_broken(_: RawPayload) -> None:
        raise ZeroDivisionError

    on_demo(slow_and_broken)
    kept()
    (payload,) = claimed()
    expire()
    release_expired()
    told.clear()
    assert not handle(payload)
    assert told == []
    assert "ZeroDivisionError" not in RawPayload.objects.get().error


@pytest.mark.parametrize("message", ["\0", "\ud800 \udcff", "x" * 100_000, "\n" * 10])
def test_any_text_of_an_error_is_recorded(on_demo: Register, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle_payload.logger, "disabled", True)  # pytest-xdist cannot hand on what it would capture

    def fail(_: RawPayload) -> None:
        raise ValueError(message)

    on_demo(fail)
    kept()
    assert not handle_next()
    assert states() == ["retrying"]
    assert "ValueError" in RawPayload.objects.get().error


def test_a_caught_database_error_fails_the_attempt(on_demo: Register) -> None:
    """The transaction is broken by it (on PostgreSQL for good), so nothing of it may be marked done."""

    def swallow(_: RawPayload) -> None:
        count("same")
        with suppress(IntegrityError):
            count("same")

    on_demo(swallow)
    kept()
    assert handle_next() == (states() == ["done"])
    assert ReportRow.objects.count() == int(states() == ["done"])


def test_a_receiver_that_raises_fails_no_worker(on_demo: Register, told: list[Any]) -> None:
    def broken(**_: Any) -> None:
        raise LookupError

    on_demo(divide)
    kept()
    payload_failed.connect(broken)
    try:
        assert not handle_next()
    finally:
        payload_failed.disconnect(broken)
    assert states() == ["retrying"]


def test_effects_of_receivers_are_in_the_transaction(on_demo: Register) -> None:
    def effect(**_: Any) -> None:
        count()
        raise LookupError

    on_demo(lambda _: None)
    kept()
    payload_handled.connect(effect)
    try:
        assert not handle_next()
    finally:
        payload_handled.disconnect(effect)
    assert (states(), ReportRow.objects.count()) == (["retrying"], 0)


def test_a_final_failure_says_so(told: list[Any]) -> None:
    kept()
    (payload,) = claimed()
    record_failure(payload, Failure.without_place("it hangs"), final=True)
    assert (states(), told) == (["dead"], [("it hangs", True)])


class TestRetryAt:
    def ask(self, time: datetime | timedelta) -> Callable[[RawPayload], None]:
        def asks(_: RawPayload) -> None:
            count()
            raise RetryAt(time, "closed\0 on Sundays\ud800")

        return asks

    def test_counts_no_attempt_and_takes_writes_back(self, on_demo: Register, told: list[Any]) -> None:
        at = timezone.now() + timedelta(days=3)
        on_demo(self.ask(at))
        kept()
        for state in (State.RECEIVED, State.RETRYING):
            assert not handle_next(state)
            stored = RawPayload.objects.get()
            assert (stored.state, stored.attempts, stored.next_attempt_at) == ("retrying", 0, at)
            assert (stored.error, stored.failure, stored.lease_token) == ("closed\ufffd on Sundays?", None, None)
            make_due()
        assert (ReportRow.objects.count(), FailureGroup.objects.count(), told) == (0, 0, [])

    @pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=400)])
    def test_a_time_that_has_passed_is_in_a_second(self, on_demo: Register, ago: timedelta) -> None:
        on_demo(self.ask(timezone.now() - ago))
        kept()
        before = timezone.now()
        handle_next()
        due = RawPayload.objects.get().next_attempt_at
        assert due is not None
        assert due >= before + timedelta(seconds=1)

    def test_a_time_that_cannot_be_used_is_a_failure(self, on_demo: Register) -> None:
        def asks(_: RawPayload) -> None:
            raise RetryAt(datetime(2030, 1, 1))

        on_demo(asks)
        kept()
        handle_next()
        stored = RawPayload.objects.get()
        assert (stored.state, stored.attempts) == ("retrying", 1)
        assert "use django.utils.timezone" in stored.error

    def test_after_done_is_too_late(self, on_demo: Register, caplog: pytest.LogCaptureFixture) -> None:
        def asks(payload: RawPayload) -> None:
            with payload.done():
                count()
            raise RetryAt(timedelta(1))

        on_demo(asks, atomic=False)
        kept()
        assert handle_next()
        assert (states(), ReportRow.objects.count()) == (["done"], 1)
        assert "is done, but its handler asked to be called again" in caplog.text

    def test_leaves_the_group_that_it_failed_in(self, on_demo: Register) -> None:
        on_demo(divide)
        kept()
        handle_next()
        assert RawPayload.objects.get().failure is not None
        make_due()
        on_demo(self.ask(timedelta(1)))
        handle_next(State.RETRYING)
        assert RawPayload.objects.get().failure is None
        assert FailureGroup.objects.get().attempts == 1


def test_nothing_is_handled_before_its_time(on_demo: Register) -> None:
    on_demo(lambda _: None)
    kept(not_before=timezone.now() + timedelta(hours=1))
    assert claimed() == []
    RawPayload.objects.update(next_attempt_at=timezone.now())
    assert handle_next()


@pytest.mark.parametrize(
    ("options", "error", "state"),
    [
        ({"give_up_on": (LookupError,)}, KeyError("price"), "dead"),
        ({"give_up_on": (LookupError,)}, ValueError(), "retrying"),
        ({"retry_on": (ConnectionError,)}, ValueError(), "dead"),
        ({"retry_on": (ConnectionError,)}, ConnectionResetError(), "retrying"),
        ({"retry_on": (ConnectionError,)}, OperationalError("database is locked"), "retrying"),
        ({"give_up_on": (Exception,)}, OperationalError("database is locked"), "retrying"),
    ],
)
def test_handlers_say_which_errors_are_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, options: Any, error: Exception, state: str
) -> None:
    def fail(_: RawPayload) -> None:
        raise error

    monkeypatch.setitem(payload_handlers, "demo", PayloadHandler("demo", fail, **options))
    kept()
    handle_next()
    assert (states(), RawPayload.objects.get().attempts) == ([state], 1)


@pytest.mark.parametrize(("of_django", "attempts"), [(True, 2), (False, 1)])
def test_another_database_that_is_away_is_an_attempt_like_any_other(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, of_django: bool, attempts: int
) -> None:
    """Django's errors whatever `retry_on` says, those of a driver that the handler uses itself as it says."""
    away = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "no" / "folder")}

    def ask(_: RawPayload) -> None:
        other = ConnectionHandler({"default": away})["default"]
        try:
            other.ensure_connection()
        except OperationalError as error:
            raise (error if of_django else error.__cause__ or error) from None

    settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 2}}
    handler = PayloadHandler("demo", ask, retry_on=(ConnectionError,))
    monkeypatch.setitem(payload_handlers, "demo", handler)
    kept()
    handle_next()
    if of_django:
        assert states() == ["retrying"]
        make_due()
        handle_next(State.RETRYING)
    assert (states(), RawPayload.objects.get().attempts) == (["dead"], attempts)


def test_a_storage_that_is_away_is_not_what_a_handler_gives_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = PayloadHandler("demo", lambda _: None, retry_on=(ZeroDivisionError,), give_up_on=(OSError,))
    monkeypatch.setitem(payload_handlers, "demo", handler)
    kept()
    RawPayload.objects.update(inline_body=None, stored_as="gone")
    assert not handle_next()
    assert states() == ["retrying"]
    assert "BodyDamaged" in RawPayload.objects.get().error


@pytest.mark.parametrize(
    "error",
    [
        *(MemoryError, RecursionError, IntegrityError, StopIteration, KeyError),
        *(asyncio.CancelledError, GeneratorExit, SystemExit),
    ],
)
def test_no_exception_of_a_handler_ends_its_worker(on_demo: Register, error: type[BaseException]) -> None:
    def fail(_: RawPayload) -> None:
        raise error

    on_demo(fail)
    kept()
    assert not handle_next()
    assert states() == ["retrying"]


def test_whoever_runs_it_can_interrupt_it(on_demo: Register) -> None:
    def fail(_: RawPayload) -> None:
        raise KeyboardInterrupt

    on_demo(fail)
    kept()
    with pytest.raises(KeyboardInterrupt):
        handle_next()
