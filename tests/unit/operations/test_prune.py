"""What was kept long enough is deleted, and nothing else."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.bodies import storage
from notifications.conf import conf
from notifications.models import Attempt, FailureGroup, FailureHour, OperatorAction, RawPayload, State
from notifications.models.attempts import Outcome
from notifications.operations import prune
from notifications.operations.prune import Rule
from notifications.process_raw.chores.move_large_bodies import move
from tests.support.payloads import kept

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _sources(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {
        "demo": {},
        "short": {"keep_done_days": 1, "keep_dead_days": 2, "keep_quarantined_days": 3},
        "ever": {"keep_done_days": None},
    }


def made(state: State, days: float, *, source: str = "demo", body: bytes | None = None) -> RawPayload:
    payload = kept(uuid.uuid4().bytes if body is None else body, "demo")
    then = timezone.now() - timedelta(days=days)
    done_at = then if state == State.DONE else None
    next_at = then if state in {State.RETRYING, State.PROCESSING} else None
    RawPayload.objects.filter(pk=payload.pk).update(
        state=state, source=source, received_at=then, done_at=done_at, next_attempt_at=next_at
    )
    return payload


def left() -> list[RawPayload]:
    return list(RawPayload.objects.order_by("pk"))


def prune_all(**options: Any) -> int:
    return sum(gone for rule in prune.rules(**options) for gone in prune.prune(rule, batch=2))


def test_by_source_and_state() -> None:
    keep = [
        *(made(state, 999) for state in State if state != State.DONE),
        made(State.DONE, 29),
        made(State.DONE, 999, source="ever"),
        made(State.DONE, 0.9, source="short"),
        made(State.DEAD, 1.9, source="short"),
        made(State.QUARANTINED, 2.9, source="short"),
        made(State.RETRYING, 99, source="short"),
        made(State.PROCESSING, 99, source="short"),
    ]
    for state, days, source in [
        (State.DONE, 31, "demo"),
        (State.DONE, 1.1, "short"),
        (State.DEAD, 2.1, "short"),
        (State.QUARANTINED, 3.1, "short"),
        (State.DONE, 31, "configured no more"),
    ]:
        for _ in range(3):
            made(state, days, source=source)
    assert prune_all() == 15
    assert left() == keep
    assert prune_all() == 0


def test_days_and_source_by_hand() -> None:
    keep = [made(State.DONE, 8, source="short"), made(State.DONE, 6), made(State.DEAD, 99)]
    made(State.DONE, 8)
    assert prune_all(source="demo", done_days=7) == 1
    assert left() == keep


def test_what_is_processed_again_meanwhile_is_kept() -> None:
    again, gone = made(State.DONE, 31), made(State.DONE, 31)
    (rule,) = [rule for rule in prune.rules(source="demo") if rule.state == State.DONE]
    rows = [(payload.pk, 1, "") for payload in (again, gone)]
    assert list(rule.rows()) == [again, gone]
    RawPayload.objects.filter(pk=again.pk).process_again()
    # The condition is the statement's own: between reading and deleting anything may happen.
    assert prune.delete(rows, "source = %s AND state = %s", ["demo", State.DONE]) == 1
    assert left() == [again]


class TestBodies:
    def test_large_ones_leave_the_storage(self) -> None:
        body = b"x" * (storage.LARGE + 1)
        gone, stays = made(State.DONE, 31, body=body), made(State.DEAD, 31, body=body)
        for payload in (gone, stays):
            move(payload.pk)
        names = [RawPayload.objects.get(pk=payload.pk).stored_as for payload in (gone, stays)]
        assert all(map(storage.storage().exists, names))
        assert prune_all() == 1
        assert [storage.storage().exists(name) for name in names] == [False, True]
        assert RawPayload.objects.get(pk=stays.pk).body == body
        assert not list((conf.state_dir / "bodies-to-delete").glob("*.names"))

    def test_those_of_rows_that_stay_stay(self) -> None:
        payload = made(State.DONE, 31, body=b"x" * (storage.LARGE + 1))
        move(payload.pk)
        payload.refresh_from_db()
        assert prune.delete([(payload.pk, 0, payload.stored_as)], "state = %s", [State.DEAD]) == 0
        assert storage.storage().exists(payload.stored_as)

    def test_a_transaction_deletes_so_many_bytes_at_most(self) -> None:
        sizes = [1, prune.BATCH_BYTES, 1, 1, 3 * prune.BATCH_BYTES]
        batches = prune.in_batches([(number, size, "") for number, size in enumerate(sizes)])
        assert [[pk for pk, _, _ in batch] for batch in batches] == [[0], [1], [2, 3], [4]]


def test_groups_without_payloads_go_after_a_month() -> None:
    now = timezone.now()
    groups = [
        FailureGroup.objects.create(
            source="demo", fingerprint=str(number), first_at=now, last_at=now - timedelta(days=days)
        )
        for number, days in enumerate([31, 29, 31])
    ]
    RawPayload.objects.filter(pk=made(State.DEAD, 99).pk).update(failure=groups[2])
    assert prune.prune_groups() == 1
    assert list(FailureGroup.objects.order_by("pk")) == groups[1:]


def records(payload_id: int, failure_id: int) -> None:
    """An attempt, and an action on payload and group."""
    Attempt.objects.create(payload_id=payload_id, number=1, outcome=Outcome.FAILED)
    OperatorAction.objects.create(payload_id=payload_id, at=timezone.now(), by="ada", what="replayed")
    OperatorAction.objects.create(failure_id=failure_id, at=timezone.now(), by="ada", what="resolved")


def left_records() -> list[int]:
    """How many attempts, and actions on payloads and groups there are."""
    actions = OperatorAction.objects
    return [
        Attempt.objects.count(),
        actions.filter(payload__isnull=False).count(),
        actions.filter(failure__isnull=False).count(),
    ]


def test_attempts_and_actions_go_with_their_payload() -> None:
    now = timezone.now()
    group = FailureGroup.objects.create(source="demo", fingerprint="a", first_at=now, last_at=now)
    gone, stays = made(State.DONE, 31), made(State.DONE, 29)
    for payload in (gone, stays):
        records(payload.pk, group.pk)
    assert prune_all() == 1
    assert left_records() == [1, 1, 2]
    assert Attempt.objects.get().payload_id == stays.pk


def test_records_without_a_row_are_deleted_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "WINDOW", 2)
    now = timezone.now()
    group = FailureGroup.objects.create(source="demo", fingerprint="a", first_at=now, last_at=now)
    payloads = [made(State.DONE, 1) for _ in range(3)]
    for payload in payloads:
        records(payload.pk, group.pk)
    records(payloads[0].pk, group.pk + 1)
    payloads[1].delete()  # as anything else but prune_raw may do
    assert left_records() == [4, 4, 4]
    assert sum(prune.prune_records()) == 3
    assert left_records() == [3, 3, 3]
    assert sum(prune.prune_records()) == 0


def test_hours_are_counted_for_a_week() -> None:
    now = timezone.now()
    group = FailureGroup.objects.create(source="demo", fingerprint="a", first_at=now, last_at=now)
    for days in (6, 8):
        FailureHour.objects.create(failure=group, hour=now - timedelta(days=days), failed=1)
    prune.prune_groups()
    assert FailureHour.objects.get().hour == now - timedelta(days=6)


@pytest.mark.parametrize("state", [State.DONE, State.DEAD, State.QUARANTINED])
def test_it_walks_along_an_index(state: State, database: str) -> None:
    for _ in range(3):
        made(state, 31)
    rule = Rule("demo", state, timezone.now())
    with connection.cursor() as cursor:
        if database == "postgresql":  # for which three rows are not worth an index
            cursor.execute("SET enable_seqscan = off")
    plan = rule.rows().values_list("done_at", "pk")[:500].explain()
    index = "raw_done" if state == State.DONE else "raw_stuck"
    assert index in plan
    assert "TEMP B-TREE" not in plan
