"""Failed attempts stay, with what is needed to understand them; a first success costs nothing."""

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from notifications import GiveUp, RetryAt
from notifications.models import Attempt, FailureGroup, RawPayload, State
from notifications.models.attempts import LONGEST, MOST, Outcome
from notifications.process_raw import logged_lines
from notifications.process_raw.handle_payload import handle
from tests.support.payloads import claimed, expire, kept, make_due, release_expired

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Register = Callable[..., None]
logger = logging.getLogger("shop.handlers")
SECRET = "sesame"


def handle_next(state: State = State.RETRYING) -> bool:
    make_due()
    (payload,) = claimed(1, state=state)
    return handle(payload)


def fail(payload: RawPayload) -> None:
    password = SECRET  # a local: no record may hold it
    logger.info("order %s", 4711)
    raise KeyError("price", len(password))


class FailsAtFirst:
    """A handler that fails some times, then succeeds."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, payload: RawPayload) -> None:
        self.left -= 1
        if self.left >= 0:
            fail(payload)


def test_a_first_attempt_that_succeeds_costs_no_statement(on_demo: Register) -> None:
    on_demo(lambda _: logger.warning("all is well"))
    kept()
    (payload,) = claimed()
    with CaptureQueriesContext(connection) as queries:
        assert handle(payload)
    # Savepoint and release are of the test's own transaction; the UPDATE is not Django's cursor's.
    assert [each["sql"].split()[0] for each in queries] == ["SAVEPOINT", "RELEASE"]
    assert not Attempt.objects.exists()


def test_each_failed_attempt_stays_after_the_success(on_demo: Register, settings: Any) -> None:
    settings.NOTIFICATIONS_RELEASE = "1.4.0"
    on_demo(FailsAtFirst(2))
    kept()
    assert not handle_next(State.RECEIVED)
    assert not handle_next()
    assert handle_next()

    first, second, third = Attempt.objects.order_by("pk")
    group = FailureGroup.objects.get()
    assert [(each.number, each.outcome) for each in (first, second, third)] == [
        (1, Outcome.FAILED),
        (2, Outcome.FAILED),
        (3, Outcome.DONE),
    ]
    assert first.worker == f"{os.uname().nodename} {os.getpid()}"
    assert {first.release, third.release, group.first_release, group.last_release} == {"1.4.0"}
    assert first.failure_id == group.pk
    assert "KeyError: ('price', 6)" in first.traceback
    assert first.log.endswith("INFO shop.handlers: order 4711")
    assert first.milliseconds is not None
    assert first.started_at is not None
    assert first.started_at <= first.ended_at
    assert (third.traceback, third.log) == ("", "")
    assert RawPayload.objects.get().error == ""


def test_no_record_holds_the_handlers_variables(on_demo: Register) -> None:
    on_demo(fail)
    kept()
    handle_next(State.RECEIVED)
    attempt, group = Attempt.objects.get(), FailureGroup.objects.get()
    assert SECRET not in attempt.traceback + attempt.log + group.traceback + group.frames


def test_the_last_attempt_is_dead(on_demo: Register) -> None:
    def give_up(_: RawPayload) -> None:
        raise GiveUp("no such customer")

    on_demo(give_up)
    kept()
    handle_next(State.RECEIVED)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.traceback) == (Outcome.DEAD, "no such customer")


def test_a_success_after_a_replay_is_recorded(on_demo: Register) -> None:
    on_demo(FailsAtFirst(1))
    kept()
    handle_next(State.RECEIVED)
    RawPayload.objects.all().process_again(by="ada")
    assert handle_next()
    assert list(Attempt.objects.order_by("pk").values_list("number", "outcome")) == [(1, "failed"), (1, "done")]


def test_a_worker_that_is_lost_leaves_an_attempt() -> None:
    kept()
    claimed()
    expire()
    assert release_expired() == 1
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome) == (1, Outcome.LOST)
    assert (attempt.started_at, attempt.milliseconds, attempt.worker) == (None, None, "")
    assert "died" in attempt.traceback


class Snapshot(OperationalError):
    """As SQLite says that another transaction has changed what this one read."""

    sqlite_errorname = "SQLITE_BUSY_SNAPSHOT"


def test_a_conflict_is_an_attempt_and_a_wait_is_none(on_demo: Register) -> None:
    def conflict(_: RawPayload) -> None:
        raise Snapshot("database is locked")

    def wait(_: RawPayload) -> None:
        raise RetryAt(timedelta(seconds=1))

    kept()
    on_demo(wait)
    handle_next(State.RECEIVED)
    assert not Attempt.objects.exists()
    on_demo(conflict)
    handle_next()
    assert Attempt.objects.get().outcome == Outcome.CONFLICT
    assert not FailureGroup.objects.exists()


def test_a_payload_keeps_its_first_attempt_and_its_last_ones(on_demo: Register, settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 1000}}
    on_demo(fail)
    other = kept()
    handle_next(State.RECEIVED)
    RawPayload.objects.filter(pk=other.pk).update(state=State.DONE, next_attempt_at=None)
    kept()
    handle_next(State.RECEIVED)
    for _ in range(MOST + 5):
        handle_next()
    numbers = list(Attempt.objects.exclude(payload=other).order_by("pk").values_list("number", flat=True))
    assert numbers == [1, *range(8, MOST + 7)]
    assert Attempt.objects.filter(payload=other).count() == 1


def test_texts_are_bounded_and_clean(on_demo: Register) -> None:
    def babble(_: RawPayload) -> None:
        for number in range(2 * logged_lines.MOST):
            logger.warning("%d \0 %s", number, "x" * 5000)
        raise ValueError("\0" + "y" * 10 * LONGEST)

    on_demo(babble)
    kept()
    handle_next(State.RECEIVED)
    attempt, group = Attempt.objects.get(), FailureGroup.objects.get()
    for text in (attempt.log, attempt.traceback, group.traceback):
        assert LONGEST / 2 < len(text) <= LONGEST + 10
        assert "\0" not in text
    assert f" {2 * logged_lines.MOST - 1} " in attempt.log


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


def test_a_line_that_cannot_be_made_does_not_hide_the_failure(
    on_demo: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    monkeypatch.setattr(logger, "propagate", False)

    def log(_: RawPayload) -> None:
        logger.warning("%s", Unprintable())
        try:
            raise OSError("no route")
        except OSError:
            logger.exception("the shop is away")
        raise KeyError("price")

    on_demo(log)
    kept()
    handle_next(State.RECEIVED)
    first, second, third = Attempt.objects.get().log.splitlines()
    assert first.endswith("WARNING shop.handlers: (its text cannot be made)")
    assert second.endswith("ERROR shop.handlers: the shop is away")
    assert third == "OSError: no route"


class Asks:
    """Asks the database when it becomes text, as a QuerySet does, and fails there."""

    def __str__(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        return ""


@pytest.mark.usefixtures("database")
def test_a_line_that_breaks_the_transaction_does_not_hide_the_failure(on_demo: Register) -> None:
    def log(_: RawPayload) -> None:
        silent = logging.getLogger("shop.silent")
        silent.propagate = False  # no handler makes it text before
        silent.handlers = [logging.NullHandler()]
        silent.warning("%s", Asks())
        raise KeyError("price")

    on_demo(log)
    kept()
    handle_next(State.RECEIVED)
    attempt = Attempt.objects.get()
    assert attempt.log.endswith("(its text cannot be made)")
    assert "KeyError: 'price'" in attempt.traceback


def test_lines_of_one_attempt_are_not_those_of_another() -> None:
    logger.warning("before")
    with logged_lines.LoggedLines() as first:
        logger.warning("one")
        with logged_lines.LoggedLines() as second:
            logger.warning("two")
        logger.warning("three")
        assert [line.rpartition(" ")[2] for line in first().splitlines()] == ["one", "three"]
    assert (first(), second()) == ("", "")
