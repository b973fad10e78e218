"""A hypothesis state machine that lets payloads live, and compares the raw store with the model after each step.

The clock is the machine's own: nothing becomes due and no lease runs out but in the rule that lets time pass.
"""

import io
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any, Final
from unittest import mock

from django.core.management import call_command
from django.db import transaction
from django.test import RequestFactory, override_settings
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from notifications import GiveUp, capture, keep
from notifications.errors import KeyReused
from notifications.handlers import PayloadHandler, RetryAt, payload_handlers
from notifications.http.idempotency import receipt_beside, receipt_for
from notifications.models import FailureGroup, RawPayload, ReportRow, State
from notifications.models.claims import LeaseLost
from notifications.process_raw.handle_payload import handle, record_failure
from notifications.process_raw.living_workers import departed
from notifications.process_raw.release_claims import release_claims
from notifications.store.new_payload import digest_of
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from notifications.utils.failure_fingerprint import WORKER_DIED, Failure
from tests.contracts.payload_model import (
    FIRST_NOW,
    LEASE,
    MAX_ATTEMPTS,
    MONTH,
    SOURCES,
    Expected,
    Worker,
    actual_rows,
    add_effect,
    clock,
    database_away,
)

sources = st.sampled_from(["quick", "slow"])
bodies = st.sampled_from([b"", b"a", b"b"])
keys = st.sampled_from([None, None, "k", "l"])
delays = st.sampled_from([0, 0, 30])
slots = st.integers(0, 2)
WHERE: Final = ("alone", "alone", "alone", "commits", "rolled back", "spool")
#: How a payload's handling ends: step by step, or as handle() does it.
STEPS: Final = ("succeeds", "succeeds", "breaks after its effects", "fails", "fails for good", "postpones")
HANDLERS: Final = ("returns", "raises", "gives up", "later", "raises late")
#: Which payloads an operator means: all, those of a source, or one of them.
choices = st.one_of(st.none(), st.sampled_from(list(SOURCES)), st.integers(0, 5))


class PayloadMachine(RuleBasedStateMachine):
    """One life of a database, with three workers, producers and operators. Needs `machine_room`."""

    @initialize()
    def empty(self) -> None:
        for model in (RawPayload, FailureGroup, ReportRow):
            model.objects.all().delete()
        for path in spool().folder.glob("*"):
            path.unlink()
        with departed():
            pass
        clock.now = FIRST_NOW
        self.expected: dict[int, Expected] = {}
        self.spooled: dict[uuid.UUID, tuple[str, bytes, datetime]] = {}
        self.effects: Counter[str] = Counter()
        self.workers = [Worker() for _ in range(3)]
        for source in ("quick", "slow", "quick"):
            self._insert(keep(source, b"first", not_before=clock.now), source, b"first", clock.now)

    def teardown(self) -> None:
        for worker in getattr(self, "workers", []):
            worker.presence.close()

    # Producers

    @rule(source=sources, body=bodies, key=keys, delay=delays, where=st.sampled_from(WHERE))
    def keep(self, source: str, body: bytes, key: str | None, delay: int, where: str) -> None:
        due = clock.now + timedelta(seconds=delay)
        if where == "spool":
            self._keep_while_the_database_is_away(source, body, key, due)
            return
        there = self._of_key(source, key)
        waiting = self.spooled.get(receipt_for(source, key))
        first_bodies = {waiting[1]} if waiting else set()
        if there and (where != "alone" or not waiting):  # alone, what waits in the spool is not asked of the table
            first_bodies.add(there.body)
        if first_bodies - {body}:
            alone = nullcontext() if where == "alone" else transaction.atomic()
            with self._raises(KeyReused), alone:
                keep(source, body, key=key, not_before=due)
            return
        if where == "alone":
            receipt = keep(source, body, key=key, not_before=due)
        else:
            with suppress(ZeroDivisionError), transaction.atomic():
                receipt = keep(source, body, key=key, not_before=due)
                if where == "rolled back":
                    raise ZeroDivisionError
        if there or (waiting and where == "alone"):
            assert receipt == receipt_for(source, key)
        elif where != "rolled back":
            self._insert(receipt, source, body, due)

    def _keep_while_the_database_is_away(self, source: str, body: bytes, key: str | None, due: datetime) -> None:
        waiting = self.spooled.get(receipt_for(source, key)) if key else None
        with database_away():
            if waiting and waiting[1] != body:
                with self._raises(KeyReused):
                    keep(source, body, key=key, not_before=due)
                return
            receipt = keep(source, body, key=key, not_before=due)
        self.spooled.setdefault(receipt, (source, body, due))

    @rule()
    def import_what_was_spooled(self) -> None:
        assert import_spool() == len(self.spooled)
        there = {row.receipt: row for row in self.expected.values()}
        for pk, receipt in RawPayload.objects.order_by("pk").values_list("pk", "receipt"):
            if receipt in self.spooled and receipt not in there:
                source, body, due = self.spooled[receipt]
                self.expected[pk] = Expected(pk, receipt, source, body, due=due)
        for receipt, (source, body, _) in self.spooled.items():
            assert receipt in there or receipt in {row.receipt for row in self.expected.values()}, "not imported"
            if receipt in there and there[receipt].body != body:
                self._expect_beside(receipt, source, body)
        self.spooled.clear()

    def _expect_beside(self, first: uuid.UUID, source: str, body: bytes) -> None:
        """Other bytes under a used key: one payload for each body, in quarantine."""
        receipt = receipt_beside(first, digest_of(body))
        if receipt not in {row.receipt for row in self.expected.values()}:
            self._insert(receipt, source, body, None).move("quarantined")

    @rule(body=bodies)
    def post_with_a_bad_signature(self, body: bytes) -> None:
        headers: dict[str, Any] = {"HTTP_X_HUB_SIGNATURE_256": "sha256=0", "CONTENT_LENGTH": str(len(body))}
        request = RequestFactory().generic("POST", "/in/signed/", body, **headers)
        row = self._insert(capture(request, "signed"), "signed", body, None)
        row.move("quarantined")

    # Workers

    @rule(
        slot=slots,
        state=st.sampled_from([State.RECEIVED, State.RETRYING]),
        limit=st.sampled_from([1, 2, 50]),
        only=st.lists(sources, max_size=1),
        eager=st.booleans(),
    )
    def claim(self, slot: int, state: State, limit: int, only: list[str], eager: bool) -> None:
        worker = self.workers[slot]
        if not worker.loading and not worker.current:
            self._claim(worker, state, limit, only, eager=eager)

    def _claim(self, worker: Worker, state: State, limit: int, only: list[str], *, eager: bool) -> None:
        due = [
            row
            for row in self.expected.values()
            if row.state == state and row.due and row.due <= clock.now and (not only or row.source in only)
        ]
        due = sorted(due, key=lambda row: (row.due, row.pk))[:limit]
        claim = RawPayload.objects.claim(state, token=worker.token, limit=limit, lease=LEASE, sources=only)
        assert [pk for pk, _ in claim.payloads] == sorted(row.pk for row in due)
        for row in due:
            row.move("processing", clock.now + timedelta(seconds=LEASE))
            row.token = worker.token
        worker.loading = RawPayload.objects.load(claim, max_bytes=1000 if eager else 0)

    @rule(slot=slots)
    def start(self, slot: int) -> None:
        """The worker turns to its next payload."""
        worker = self.workers[slot]
        if worker.current:
            return
        self._load_next(worker)
        for state in (State.RETRYING, State.RECEIVED):
            if not worker.loading:
                self._claim(worker, state, 50, [], eager=True)
                self._load_next(worker)

    def _load_next(self, worker: Worker) -> None:
        if not worker.loading:
            return
        worker.current = next(worker.loading, None)
        if worker.current is None:
            assert not self._held_by(worker), "it was not given what it had claimed"
            worker.loading = None
            return
        assert worker.current.body == self.expected[worker.current.pk].body
        worker.current.attempts += 1

    @rule(slot=slots, how=st.sampled_from(STEPS))
    def end(self, slot: int, how: str) -> None:
        """Step by step, so that others may have done anything since `start`."""
        self.start(slot)
        payload, row = self._take_current(slot)
        if payload is None:
            return
        if how in {"succeeds", "breaks after its effects"}:
            self._finish(payload, row, breaks=how != "succeeds")
        elif how == "postpones":
            self._postpone(payload, row)
        else:
            self._fail(payload, row, final=how == "fails for good")

    def _finish(self, payload: RawPayload, row: Expected | None, *, breaks: bool) -> None:
        """Effects and `done` in one transaction."""
        if breaks:
            with self._raises(ZeroDivisionError), payload.done():
                add_effect(payload)
                raise ZeroDivisionError
            self._fail(payload, row, final=False)
        elif row is None:
            with self._raises(LeaseLost), payload.done():
                add_effect(payload)
        else:
            with payload.done():
                add_effect(payload)
            self._note_done(row)

    def _postpone(self, payload: RawPayload, row: Expected | None) -> None:
        payload.attempts -= 1
        until = clock.now + timedelta(seconds=30)
        if row is None:
            with self._raises(LeaseLost):
                RawPayload.objects.postpone(payload, until, "later")
            return
        RawPayload.objects.postpone(payload, until, "later")
        row.move("retrying", until)
        row.group = None

    @rule(
        slot=slots,
        ends=st.sampled_from(HANDLERS),
        atomic=st.booleans(),
    )
    def handle_next(self, slot: int, ends: str, atomic: bool) -> None:
        """As process_raw does it, with a handler that ends in some way."""
        self.start(slot)
        payload, row = self._take_current(slot)
        if payload is None:
            return
        payload.attempts -= 1  # handle() counts itself
        handler = self._handler(ends, atomic=atomic)
        payload_handlers[payload.source] = PayloadHandler(payload.source, handler, atomic)
        done = handle(payload)
        if row is None:
            assert not done
            return
        succeeds = ends == "returns" or (ends == "raises late" and not atomic)
        assert done == succeeds
        if succeeds:
            self._note_done(row)
        elif ends == "later":
            row.move("retrying", clock.now + timedelta(seconds=30))
            row.group = None
        else:
            title = "GiveUp: no" if ends == "gives up" else "ZeroDivisionError: the parser"
            self._note_failed(row, title, final=ends == "gives up")

    @rule(slot=slots, how=st.sampled_from(["stop", "renew", "lose the database", "die"]))
    def interrupt(self, slot: int, how: str) -> None:
        worker = self.workers[slot]
        held = self._held_by(worker)
        if how == "stop" and not worker.current:  # it does so between two payloads
            RawPayload.objects.give_back(worker.token)
            for row in held:
                row.move("retrying" if row.attempts else "received", self._received_at(row))
            worker.loading = None
        elif how == "renew":
            assert RawPayload.objects.renew(worker.token, LEASE) == bool(held)
            for row in held:
                row.due = clock.now + timedelta(seconds=LEASE)
        elif how == "lose the database":  # it releases what it had once that is back
            assert release_claims(worker.token) == self._note_released(worker.token)
            worker.loading = worker.current = None
        elif how == "die":
            worker.presence.close()
            self.workers[slot] = Worker()

    @rule(seconds=st.sampled_from([0, 2 * LEASE]))
    def take_over(self, seconds: float) -> None:
        """From workers that died, and from those whose lease has run out, as process_raw does."""
        clock.now += timedelta(seconds=seconds)
        alive = {worker.token for worker in self.workers}
        with departed() as tokens:
            assert not alive & set(tokens)
            found = {*tokens, *RawPayload.objects.expired_tokens()}
            released = sum(map(release_claims, found))
        left = {
            row.token
            for row in self.expected.values()
            if row.state == "processing" and (row.token not in alive or (row.due and row.due <= clock.now))
        }
        assert left <= found
        assert released == sum(map(self._note_released, left))

    # Operators

    @rule(seconds=st.sampled_from([1, 31, 61, 3600, 31 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        clock.now += timedelta(seconds=seconds)

    @rule(which=choices, apart=st.sampled_from([0, 0, 10]))
    def process_again(self, which: Any, apart: int) -> None:
        rows, meant = self._meant(which, "done", "dead", "retrying")
        assert rows.process_again(apart=timedelta(seconds=apart)) == len(meant)
        for number, row in enumerate(meant):
            row.move("retrying", clock.now + number * timedelta(seconds=apart))
            row.attempts, row.done_at = 0, None

    @rule(which=choices)
    def give_up(self, which: Any) -> None:
        rows, meant = self._meant(which, "received", "retrying")
        assert rows.give_up("Ada") == len(meant)
        for row in meant:
            row.move("dead")

    @rule(which=choices)
    def admit(self, which: Any) -> None:
        rows, meant = self._meant(which, "quarantined")
        assert rows.admit() == len(meant)
        for row in meant:
            row.move("received", clock.now)

    @rule()
    def prune(self) -> None:
        call_command("prune_raw", stdout=io.StringIO())
        old = [row.pk for row in self.expected.values() if row.done_at and row.done_at < clock.now - MONTH]
        for pk in old:
            del self.expected[pk]

    # What always holds

    @invariant()
    def rows_are_as_expected(self) -> None:
        if not hasattr(self, "expected"):
            return
        assert actual_rows() == [row.row() for _, row in sorted(self.expected.items())]
        for row in self.expected.values():
            assert (row.due is None) == (row.state in {"done", "dead", "quarantined"})
            assert (row.token is not None) == (row.state == "processing")
            assert row.group is None or row.state not in {"done", "quarantined"}

    @invariant()
    def effects_are_as_often_as_it_was_done(self) -> None:
        if hasattr(self, "expected"):
            assert dict(ReportRow.objects.values_list("name", "count")) == dict(self.effects)

    @invariant()
    def the_next_one_is_known(self) -> None:
        if hasattr(self, "expected"):
            waiting = [row.due for row in self.expected.values() if row.state in {"received", "retrying"} and row.due]
            assert RawPayload.objects.next_due() == min(waiting, default=None)

    @invariant()
    def nothing_disappears_from_the_spool(self) -> None:
        if hasattr(self, "expected"):
            assert {path.name for path in spool().waiting()} == {receipt.hex for receipt in self.spooled}
            assert len(list(spool().folder.glob("*"))) == len(self.spooled)

    # The model

    def _insert(self, receipt: uuid.UUID, source: str, body: bytes, due: datetime | None) -> Expected:
        pk, stored_due = RawPayload.objects.values_list("pk", "next_attempt_at").get(receipt=receipt)
        assert pk not in self.expected
        assert due in {None, stored_due}
        assert due or stored_due is None or stored_due <= clock.now
        row = self.expected[pk] = Expected(pk, receipt, source, body, due=stored_due)
        return row

    @staticmethod
    def _received_at(row: Expected) -> datetime:
        return RawPayload.objects.values_list("received_at", flat=True).get(pk=row.pk)

    def _of_key(self, source: str, key: str | None) -> Expected | None:
        receipt = receipt_for(source, key)
        return next((row for row in self.expected.values() if row.receipt == receipt), None)

    def _held_by(self, worker: Worker) -> list[Expected]:
        return [row for row in self.expected.values() if row.token == worker.token]

    def _take_current(self, slot: int) -> tuple[RawPayload | None, Expected | None]:
        """What the worker is handling, and its row where that is still the worker's."""
        worker = self.workers[slot]
        payload, worker.current = worker.current, None
        if payload is None:
            return None, None
        row = self.expected.get(payload.pk)
        return payload, row if row and row.token == worker.token else None

    def _meant(self, which: Any, *states: str) -> tuple[Any, list[Expected]]:
        rows = RawPayload.objects.all()
        meant = [row for _, row in sorted(self.expected.items())]
        if isinstance(which, str):
            rows, meant = rows.filter(source=which), [row for row in meant if row.source == which]
        elif which is not None:
            meant = meant[which : which + 1]
            rows = rows.filter(pk__in=[row.pk for row in meant])
        return rows, [row for row in meant if row.state in states]

    def _fail(self, payload: RawPayload, row: Expected | None, *, final: bool) -> None:
        record_failure(payload, Failure.without_place("broken"), final=final)
        if row is not None:
            self._note_failed(row, "broken", final=final)

    def _note_failed(self, row: Expected, title: str, *, final: bool) -> None:
        row.attempts += 1
        row.group = title
        if final or row.attempts >= MAX_ATTEMPTS[row.source]:
            row.move("dead")
            return
        row.move("retrying", RawPayload.objects.values_list("next_attempt_at", flat=True).get(pk=row.pk))
        assert row.due
        assert timedelta(seconds=0.5) <= row.due - clock.now <= timedelta(seconds=2.0**row.attempts)

    def _note_done(self, row: Expected) -> None:
        row.move("done")
        row.attempts += 1
        row.group, row.done_at = None, clock.now
        self.effects[str(row.receipt)] += 1

    def _note_released(self, token: uuid.UUID | None) -> int:
        left = sorted((row for row in self.expected.values() if row.token == token and token), key=lambda row: row.pk)
        if left:
            self._note_failed(left[0], WORKER_DIED.title, final=False)
        for row in left[1:]:
            row.move("retrying", self._received_at(row))
        return len(left)

    @staticmethod
    def _handler(ends: str, *, atomic: bool) -> Callable[[RawPayload], None]:
        def end() -> None:
            if ends == "gives up":
                raise GiveUp("no")
            if ends == "later":
                raise RetryAt(timedelta(seconds=30))
            if ends.startswith("raises"):
                raise ZeroDivisionError("the parser")

        def handler(payload: RawPayload) -> None:
            if atomic:
                add_effect(payload)
                end()
                return
            with payload.done():
                add_effect(payload)
                if ends != "raises late":
                    end()
            end()

        return handler

    @staticmethod
    @contextmanager
    def _raises(kind: type[Exception]) -> Iterator[None]:
        try:
            yield
        except kind:
            return
        raise AssertionError(f"no {kind.__name__}")


def run_machine(*, lives: int, steps: int = 40, shrink: bool = False) -> None:
    """Let so many lives of so many steps pass; always the same ones. `shrink`: minutes to find a short one."""
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink, Phase.explain] if shrink else [])]
    bounded = settings(
        max_examples=lives,
        stateful_step_count=steps,
        phases=phases,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with _machine_room():
        run_state_machine_as_test(PayloadMachine, settings=bounded)


@contextmanager
def _machine_room() -> Iterator[None]:
    """Sources, handlers and the clock of the machine."""
    handlers = {source: PayloadHandler(source, add_effect) for source in SOURCES}
    with (
        override_settings(NOTIFICATIONS_SOURCES=SOURCES),
        mock.patch.dict(payload_handlers, handlers),
        mock.patch("django.utils.timezone.now", clock),
        mock.patch(
            "notifications.store.database_breaker.PAUSE", 3600.0
        ),  # open until it is closed, however slow we are
    ):
        yield
