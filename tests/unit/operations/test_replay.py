"""Selections and replays: which payloads, in which order, by which index, and from where after a kill."""

import json
import uuid
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.models import FailureGroup, RawPayload, State
from notifications.operations import replay, selection
from notifications.operations.replay import Progress
from notifications.operations.replay_progress import AlreadyReplayed, Checkpoint, CheckpointDamaged
from notifications.operations.selection import Place, Selection, youngest
from tests.support.payloads import claim, kept

MANY = 20_000


def made(state: State = State.DEAD, *, source: str = "demo", at: datetime | None = None, **columns: Any) -> RawPayload:
    payload = kept(uuid.uuid4().bytes, source)
    now = timezone.now()
    columns |= {"next_attempt_at": now if state == State.RETRYING else None, "done_at": None}
    if state == State.DONE:
        columns["done_at"] = now
    RawPayload.objects.filter(pk=payload.pk).update(state=state, received_at=at or now, **columns)
    payload.refresh_from_db()
    return payload


def group(source: str = "demo") -> FailureGroup:
    now = timezone.now()
    return FailureGroup.objects.create(source=source, fingerprint=uuid.uuid4().hex, first_at=now, last_at=now)


def pks(chosen: Selection, **options: Any) -> list[int]:
    return [pk for batch in chosen.walk(**options) for pk in batch]


@pytest.mark.usefixtures("database")
class TestSelection:
    def test_each_part_narrows(self) -> None:
        now = timezone.now()
        failing = group()
        old = made(at=now - timedelta(days=3))
        other_source = made(source="photo")
        done, grouped = made(State.DONE), made(failure=failing)
        everything = [old.pk, other_source.pk, done.pk, grouped.pk]
        assert pks(Selection()) == everything
        assert pks(Selection(state=State.DEAD)) == [old.pk, other_source.pk, grouped.pk]
        assert pks(Selection(state=State.DONE)) == [done.pk]
        assert pks(Selection(source="demo")) == [old.pk, done.pk, grouped.pk]
        assert pks(Selection(failure=failing.pk)) == [grouped.pk]
        assert pks(Selection(failure=failing.pk, source="photo")) == []
        assert pks(Selection(receipts=(done.receipt, old.receipt))) == [old.pk, done.pk]
        assert pks(Selection(receipts=(done.receipt,), state=State.DEAD)) == []
        assert pks(Selection(since=now - timedelta(days=4), until=now - timedelta(days=2))) == [old.pk]
        assert pks(Selection(until=now - timedelta(days=2), source="demo", state=State.DEAD)) == [old.pk]
        assert pks(Selection(since=now - timedelta(days=2), state=State.DONE)) == [done.pk]

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_by_time_it_is_walked_in_the_order_of_arrival_also_where_times_are_the_same(self, limit: int) -> None:
        now = timezone.now()
        # What comes from the spool is younger by id than by time.
        late, first, same, also = (made(at=now - timedelta(hours=hours)) for hours in (1, 9, 5, 5))
        chosen = Selection(since=now - timedelta(days=1), until=now)
        assert pks(chosen, limit=limit) == [first.pk, same.pk, also.pk, late.pk]

    def test_what_comes_after_the_upper_end_is_not_in_it(self) -> None:
        before, upper = made(), youngest()
        made()
        assert pks(Selection(state=State.DEAD), upper=upper) == [before.pk]
        assert Selection(state=State.DEAD).count(upper=upper) == 1
        assert pks(Selection(since=before.received_at), upper=upper) == [before.pk]


@pytest.fixture
def many(database: str) -> tuple[str, int]:
    """Many finished payloads of two sources, and a few that failed: vendor, and id of the failures' group."""
    failing, start = group("a"), "2026-01-01 00:00:00"
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"
    time = f"'{start}'::timestamptz + i * interval '1 minute'"
    receipt = "md5(i::text)::uuid"
    if database == "sqlite":
        time, receipt = f"datetime('{start}', '+' || i || ' minutes')", "printf('%032x', i)"
    sql = (
        f"{numbers} INSERT INTO notifications_rawpayload (receipt, source, state, attempts, received_at, size, digest,"
        " content_type, method, path, query, remote_addr, idempotency_key, error, headers_json, done_at, failure_id)"
        f" SELECT {receipt}, CASE WHEN i % 100 = 0 THEN 'a' ELSE 'b' END,"
        f" CASE WHEN i % 100 = 0 THEN 'dead' ELSE 'done' END, 1, {time}, 0, '', '', '', '', '', '', '', '', '{{}}',"
        f" CASE WHEN i % 100 = 0 THEN NULL ELSE {time} END,"
        f" CASE WHEN i % 100 = 0 THEN {failing.pk} ELSE NULL END FROM n"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("%", "%%"), [])
        cursor.execute("ANALYZE")
    return database, failing.pk


def plan(rows: Any) -> str:
    """How the database gets the next few hundred."""
    return str(rows.values_list("received_at", "pk")[: selection.BATCH].explain())


class TestIndexes:
    def test_each_selection_is_walked_along_an_index(self, many: tuple[str, int]) -> None:
        vendor, failing = many
        middle = timezone.make_aware(datetime(2026, 1, 7))
        after = Place(middle, MANY // 2)
        one = uuid.UUID(int=100)
        for chosen, index in {
            Selection(failure=failing): "raw_failure",
            Selection(failure=failing, source="a", since=middle): "raw_failure",
            Selection(state=State.DEAD): "raw_stuck",
            Selection(state=State.QUARANTINED, source="a", until=middle): "raw_stuck",
            Selection(source="a", state=State.RETRYING): "raw_source",
            Selection(source="a", state=State.DONE, until=middle): "raw_source",
            Selection(source="b", state=State.DONE, since=middle): "raw_time",
            Selection(since=middle, until=middle + timedelta(days=1)): "raw_time",
            Selection(receipts=(one,), state=State.DEAD): "receipt",
            Selection(state=State.DONE): "pkey" if vendor == "postgresql" else "PRIMARY KEY",
        }.items():
            for place in (None, after):
                text = plan(chosen.rows(after=place, upper=MANY))
                assert index in text or "sqlite_autoindex" in text, (chosen, text)
                assert "Seq Scan" not in text, (chosen, text)
                assert "TEMP B-TREE" not in text or chosen.receipts, (chosen, text)

    def test_a_walk_reads_no_bodies_and_meets_each_once(self, many: tuple[str, int]) -> None:
        found = [pk for batch in Selection(state=State.DONE).walk() for pk in batch]
        assert len(found) == len(set(found)) == MANY * 99 // 100
        assert "inline_body" not in str(Selection(state=State.DONE).rows().values_list("received_at", "pk").query)


@pytest.mark.usefixtures("database")
class TestStart:
    def test_all_that_is_finished_or_waits_for_a_retry_is_moved(self) -> None:
        payloads = {state: made(state) for state in State}
        assert replay.start(RawPayload.objects.all(), by="ada") == (3, 3)
        for state, payload in payloads.items():
            payload.refresh_from_db()
            moved = state in {State.DONE, State.DEAD, State.RETRYING}
            assert payload.state == (State.RETRYING if moved else state)

    def test_they_become_due_one_after_the_other_in_order_of_arrival(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay, "RATE", 0.5)
        monkeypatch.setattr(replay, "BATCH", 3)
        monkeypatch.setattr("notifications.models.operator_moves.BATCH", 2)
        for _ in range(8):
            made()
        replay.start(RawPayload.objects.order_by("-pk"), by="ada")
        due = list(RawPayload.objects.order_by("pk").values_list("next_attempt_at", flat=True))
        apart = {later - earlier for earlier, later in pairwise(due) if earlier and later}
        assert apart == {timedelta(seconds=2)}

    def test_what_comes_meanwhile_waits_for_none_of_them(self) -> None:
        old = made()
        replay.start(RawPayload.objects.all(), by="ada")
        new = kept()
        assert [pk for pk, _ in claim().payloads] == [new.pk]
        assert [pk for pk, _ in claim(state=State.RETRYING).payloads] == [old.pk]

    def test_attempts_begin_anew_and_the_failure_stays_until_one_succeeds(self) -> None:
        payload = made(attempts=16, error="KeyError", failure=group())
        replay.start(RawPayload.objects.all(), by="ada")
        payload.refresh_from_db()
        assert (payload.attempts, payload.error, payload.failure_id) == (0, "KeyError", payload.failure_id)
        assert payload.failure_id is not None


def finish_all() -> None:
    """What a worker does meanwhile."""
    RawPayload.objects.filter(state=State.RETRYING).update(
        state=State.DONE, done_at=timezone.now(), next_attempt_at=None, attempts=1
    )


@pytest.mark.usefixtures("database")
class TestGoingOn:
    @pytest.fixture(autouse=True)
    def _three_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay, "BATCH", 3)

    @pytest.mark.parametrize("noted", [True, False], ids=["killed after the note", "killed before the note"])
    def test_what_was_replayed_and_done_again_is_not_replayed_again(self, noted: bool) -> None:
        for _ in range(8):
            made(State.DONE)
        chosen, checkpoint = Selection(state=State.DONE), Checkpoint({"state": "done"})
        progress = replay.begin(chosen)
        checkpoint.save(chosen, progress)
        next(replay.steps(chosen, progress, rate=100))
        if noted:
            checkpoint.save(chosen, progress)
        finish_all()
        made(State.DONE)  # came meanwhile
        again = checkpoint.load(chosen)
        assert again is not None
        _, progress = again
        for _ in replay.steps(chosen, progress, rate=100):
            pass
        assert RawPayload.objects.filter(state=State.RETRYING).count() == 5
        assert (progress.total, progress.moved) == (8, 8 if noted else 5)

    def test_dead_ones_that_died_again_are_not_met_twice(self) -> None:
        for _ in range(7):
            made()
        chosen = Selection(state=State.DEAD)
        progress, moved = replay.begin(chosen), 0
        for _ in replay.steps(chosen, progress, rate=100):
            moved += RawPayload.objects.filter(state=State.RETRYING).update(state=State.DEAD, next_attempt_at=None)
        assert moved == progress.moved == 7

    def test_the_pace_goes_on_where_it_was(self) -> None:
        for _ in range(6):
            made()
        chosen = Selection(state=State.DEAD)
        progress = replay.begin(chosen)
        for _ in replay.steps(chosen, progress, rate=0.1):
            pass
        assert timedelta(seconds=59) < progress.due - progress.started_at < timedelta(seconds=90)


def test_a_checkpoint_comes_back_as_it_was_saved(state_dir: Path) -> None:
    now = timezone.now()
    chosen = Selection(since=now - timedelta(days=2), state=State.DONE)
    progress = Progress(started_at=now, upper=9, total=8, place=Place(now, 4), moved=3, left=1, due=now)
    checkpoint = Checkpoint({"since": "2 days ago"})
    assert checkpoint.load(chosen) is None
    checkpoint.save(chosen, progress)
    # "2 days ago" is another time by now.
    later = Selection(since=now, state=State.DONE)
    assert Checkpoint({"since": "2 days ago"}).load(later) == (chosen, progress)
    assert Checkpoint({"since": "3 days ago"}).load(later) is None
    checkpoint.forget()
    checkpoint.forget()
    assert checkpoint.load(chosen) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"since": 1}', "\x00" * 100])
def test_a_damaged_checkpoint_is_not_believed(state_dir: Path, text: str) -> None:
    checkpoint, chosen = Checkpoint({}), Selection()
    now = timezone.now()
    checkpoint_path = state_dir / "replays"
    with checkpoint.held():
        checkpoint.save(chosen, Progress(started_at=now, upper=1, total=1, due=now))
        (path,) = checkpoint_path.glob("*.json")
        assert json.loads(path.read_text())["upper"] == 1
        path.write_text(text)
        with pytest.raises(CheckpointDamaged):
            checkpoint.load(chosen)


def test_two_of_the_same_do_not_run_side_by_side(state_dir: Path) -> None:
    first, other, same = Checkpoint({"a": 1}), Checkpoint({"a": 2}), Checkpoint({"a": 1})
    with first.held(), other.held(), pytest.raises(AlreadyReplayed), same.held():
        pass
    with Checkpoint({"a": 1}).held():
        pass
