"""Times that a clock which was ahead has written, on each database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from notifications import keep
from notifications.intake import keep_bytes as keeping
from notifications.models import RawPayload, State
from notifications.models.wrong_clock import TOO_FAR
from notifications.operations.replay import begin, steps
from notifications.operations.selection import Selection
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.process_raw.handle_payload import handle
from notifications.process_raw.living_workers import Presence
from notifications.process_raw.release_claims import release_claims
from notifications.status.now import status
from notifications.status.verdict import verdict
from notifications.workers.loop import Stop
from tests.support.payloads import claim, claimed, kept, make_due, states

pytestmark = pytest.mark.usefixtures("database")
Register = Callable[..., None]
HOUR = timedelta(hours=1)


@pytest.fixture
def ahead() -> Callable[..., Any]:
    """`with ahead():` the clock is a day ahead."""
    right = timezone.now

    @contextmanager
    def set_clock() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timezone, "now", lambda: right() + 24 * HOUR)
            patch.setattr(keeping, "datetime", SimpleNamespace(now=lambda _: timezone.now()))
            yield

    return set_clock


def due_in(payload: RawPayload) -> float:
    at = RawPayload.objects.values_list("next_attempt_at", flat=True).get(pk=payload.pk)
    assert at is not None
    return (at - timezone.now()).total_seconds()


def work(stop: Stop) -> None:
    worker = ProcessRaw(stop)
    while worker.poll() == 0:
        pass
    worker.close()


class TestReceived:
    def test_is_handled_now(self, ahead: Any, on_demo: Register) -> None:
        seen: list[bytes] = []
        on_demo(lambda payload: seen.append(payload.body))
        with ahead():
            keep("demo", b"first")
            keep("demo", b"second")
        keep("demo", b"third")
        call_command("process_raw", "--drain")
        assert sorted(seen) == [b"first", b"second", b"third"]
        assert states() == ["done"] * 3

    def test_the_wait_of_its_sender_counts_from_its_own_receipt(
        self, ahead: Any, on_demo: Register, stop: Stop
    ) -> None:
        on_demo(lambda _: None)
        with ahead():
            payload = kept(not_before=timezone.now() + HOUR)
        for _ in range(3):  # however often somebody looks
            work(stop)
            assert 3500 < due_in(payload) <= 3600
        make_due()
        work(stop)
        assert states() == ["done"]

    def test_one_of_now_is_left(self, stop: Stop) -> None:
        payload = kept(not_before=timezone.now() + HOUR)
        assert RawPayload.objects.correct_received() == 0
        assert (states(), due_in(payload) > 3500) == (["received"], True)

    def test_what_is_claimed_dead_or_done_is_left(self, ahead: Any) -> None:
        with ahead():
            for _ in range(3):
                kept()
            first, second, _ = claimed()
            RawPayload.objects.filter(pk=first.pk).update(state="done", next_attempt_at=None)
            RawPayload.objects.filter(pk=second.pk).update(state="dead", next_attempt_at=None)
        before = list(RawPayload.objects.order_by("pk").values())
        assert RawPayload.objects.correct_received() == 0
        assert list(RawPayload.objects.order_by("pk").values()) == before

    def test_the_status_says_so_and_what_to_do(self, ahead: Any) -> None:
        with ahead():
            kept()
            kept()
        kept()
        assert status().database.from_future == 2  # type: ignore[union-attr]  # it is not away
        (problem,) = (each for each in verdict().problems if each.name == "clock-ahead")
        assert problem.text == "2 payloads were received in the future: a clock was ahead"
        assert "timedatectl" in problem.advice

    def test_the_status_of_a_right_clock_says_nothing(self) -> None:
        kept()
        assert "clock-ahead" not in {each.name for each in verdict().problems}


class TestReturned:
    """Claimed while the clock was ahead, and not started: they are due once it is right again."""

    def test_what_a_worker_gives_back(self, ahead: Any) -> None:
        for _ in range(2):
            kept()
        RawPayload.objects.filter(pk=kept().pk).update(attempts=1)  # it has asked to wait, without a failure
        with ahead():
            claims = [claim(limit=3)]
            RawPayload.objects.give_back(claims[0].token)
        assert len(claimed(2)) == 2
        assert len(claimed(state=State.RETRYING)) == 1

    def test_what_is_taken_back_from_a_dead_worker(self, ahead: Any) -> None:
        for _ in range(3):
            kept()
        with ahead():
            release_claims(claim(limit=3).token)
        assert len(claimed(3, state=State.RETRYING)) == 2, "all but the one that it died with"


class TestReplay:
    def test_what_was_done_in_the_future_is_replayed_too(self, ahead: Any, on_demo: Register) -> None:
        on_demo(lambda _: None)
        with ahead():
            kept()
            (payload,) = claimed()
            assert handle(payload)
        progress = begin(Selection(source="demo"))
        for _ in steps(Selection(source="demo"), progress, rate=100):
            pass
        assert (progress.moved, states()) == (1, ["retrying"])


class TestRetries:
    def fail_ahead(self, on_demo: Register, ahead: Any) -> RawPayload:
        def fail(_: RawPayload) -> None:
            raise ZeroDivisionError

        on_demo(fail)
        kept()
        with ahead():
            (payload,) = claimed()
            handle(payload)
        return payload

    def test_one_further_away_than_any_back_off_is_due_now(self, ahead: Any, on_demo: Register, stop: Stop) -> None:
        payload = self.fail_ahead(on_demo, ahead)
        assert due_in(payload) > TOO_FAR.total_seconds()
        on_demo(lambda _: None)
        work(stop)
        assert states() == ["done"]

    @pytest.mark.parametrize("values", [{"failure": None}, {"attempts": 0}])
    def test_one_that_a_handler_or_a_replay_put_off_is_left(self, ahead: Any, on_demo: Register, values: Any) -> None:
        payload = self.fail_ahead(on_demo, ahead)
        RawPayload.objects.update(**values)
        assert RawPayload.objects.correct_retries() == 0
        assert due_in(payload) > TOO_FAR.total_seconds()


class TestLeases:
    def test_one_longer_than_any_is_taken_over(self, ahead: Any, on_demo: Register, stop: Stop) -> None:
        on_demo(lambda _: None)
        kept()
        with ahead():
            claim()
        work(stop)
        assert states() == ["retrying"]
        make_due()
        work(stop)
        assert states() == ["done"]

    def test_not_from_a_living_worker_of_this_machine(self, ahead: Any, stop: Stop) -> None:
        kept()
        presence = Presence()
        with ahead():
            claim(token=presence.token)
        work(stop)
        assert states() == ["processing"]
        presence.close()
        work(stop)
        assert states() == ["retrying"]


def test_a_long_queue_makes_no_look_slow(database: str) -> None:
    """Each reads an index from the time on that it looks for, not what waits there rightly."""
    if database != "sqlite":
        pytest.skip("PostgreSQL plans by its statistics")
    plans: list[str] = []
    with connection.execute_wrapper(_explained(plans)):
        RawPayload.objects.correct_received()
        RawPayload.objects.correct_retries()
        RawPayload.objects.leased_too_far(60)
        RawPayload.objects.from_future().count()
    assert [("raw_time" in plan, "raw_due" in plan) for plan in plans] == [
        (True, False),
        (False, True),
        (False, True),
        (True, False),
    ]


def _explained(plans: list[str]) -> Any:
    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "rawpayload" in sql and not sql.startswith("EXPLAIN"):
            with context["connection"].cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
                plans.append(" ".join(str(row[3]) for row in cursor.fetchall()))
        return execute(sql, params, many, context)

    return explain
