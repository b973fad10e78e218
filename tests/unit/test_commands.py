"""proppy_status, replay_raw, prune_raw."""

import json
import uuid
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from notifications import keep
from notifications.models import Position, RawPayload, State

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def made(state: State, *, days_old: int = 0, source: str = "demo") -> RawPayload:
    payload = RawPayload.objects.get(receipt=keep(source, uuid.uuid4().bytes))
    then = timezone.now() - timedelta(days=days_old)
    RawPayload.objects.filter(pk=payload.pk).update(
        state=state, received_at=then, done_at=then if state == State.DONE else None, next_attempt_at=None
    )
    payload.refresh_from_db()
    return payload


def state_of(payload: RawPayload) -> str:
    payload.refresh_from_db()
    return payload.state


def test_status_for_people_and_programs() -> None:
    keep("demo", b"x")
    made(State.DEAD)
    Position.objects.create(machine="m", journal="memory://", channel="SLACK", entry_time=timezone.now())
    text = run("proppy_status")
    assert "received            1" in text
    assert "dead                1" in text
    assert "SLACK" in text
    now = json.loads(run("proppy_status", "--json"))
    assert now["database"]["payloads"]["received"] == 1
    assert now["database"]["channels"][0]["channel"] == "SLACK"


def test_status_while_the_database_is_away_and_of_what_was_set_aside(settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / uuid.uuid4().hex).touch()
    (tmp_path / "spool" / f"{uuid.uuid4().hex}.1a2b3c4d.damaged").touch()
    with patch("notifications.status._database_now", side_effect=OperationalError):
        text = run("proppy_status")
    assert "database is away" in text
    assert "Spool: 1 wait, the oldest since 0 s" in text
    assert "Spool: 1 cannot be imported" in text


def test_replay_takes_the_dead_ones() -> None:
    dead, done = made(State.DEAD), made(State.DONE)
    assert run("replay_raw", "--dry-run").split()[0] == str(dead.receipt)
    assert state_of(dead) == State.DEAD
    assert run("replay_raw") == "1 payloads will be processed again.\n"
    assert (state_of(dead), state_of(done)) == (State.RETRYING, State.DONE)


def test_replay_takes_those_that_are_named() -> None:
    done, other = made(State.DONE), made(State.DONE)
    run("replay_raw", str(done.receipt))
    assert (state_of(done), state_of(other)) == (State.RETRYING, State.DONE)


def test_replay_by_source_state_and_time() -> None:
    old, young = made(State.DONE, days_old=3, source="photo"), made(State.DONE, source="photo")
    other = made(State.DONE, days_old=3)
    run("replay_raw", "--source", "photo", "--state", "done", "--since", "4 days ago", "--until", "2 days ago")
    assert [state_of(payload) for payload in (old, young, other)] == ["retrying", "done", "done"]


@pytest.mark.parametrize("wrong", [["--source", "nobody"], ["--since", "yesterdayish"], ["no-receipt"]])
def test_replay_says_what_is_wrong(wrong: list[str]) -> None:
    with pytest.raises(CommandError):
        run("replay_raw", *wrong)


def test_prune_deletes_what_was_done_long_ago_and_nothing_else() -> None:
    kept = [made(State.DONE, days_old=29), made(State.DEAD, days_old=99), made(State.RETRYING, days_old=99)]
    gone = [made(State.DONE, days_old=31) for _ in range(5)]
    assert run("prune_raw", "--dry-run") == "5 payloads would be deleted.\n"
    assert run("prune_raw", "--batch", "2").endswith("\r5 payloads deleted.\n")
    assert list(RawPayload.objects.order_by("pk")) == kept
    assert not RawPayload.objects.filter(pk__in=[payload.pk for payload in gone]).exists()


@pytest.mark.parametrize("wrong", [["--days", "-1"], ["--batch", "0"]])
def test_prune_says_what_is_wrong(wrong: list[Any]) -> None:
    with pytest.raises(CommandError):
        run("prune_raw", *wrong)
