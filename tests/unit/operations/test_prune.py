"""What was kept long enough is deleted, and nothing else."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.bodies import storage
from notifications.conf import conf
from notifications.models import FailureGroup, RawPayload, State
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
