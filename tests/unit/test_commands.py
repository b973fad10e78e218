"""proppy_status, replay_raw, prune_raw."""

import json
import re
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
from notifications.http.signatures import sign
from notifications.models import FailureGroup, Position, RawPayload, State
from notifications.operations.replay import begin
from notifications.operations.replay_progress import Checkpoint
from notifications.operations.selection import Place, Selection
from tests.support.webhook import Receiver, response

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
    with patch("notifications.status.database.answers", side_effect=OperationalError):
        text = run("proppy_status")
    assert re.search("^CRITICAL  The database is away, seen from .*: OperationalError", text, re.MULTILINE)
    assert "UNKNOWN   Payloads, channels, failed deliveries and losses are unknown" in text
    assert "Spool: 1 waiting, the oldest for 0 s" in text
    assert "1 file of the spool on " in text


def test_replay_takes_the_dead_ones() -> None:
    dead, done = made(State.DEAD), made(State.DONE)
    listed = run("replay_raw", "--dry-run").splitlines()
    assert [line.split()[0] for line in listed] == [str(dead.receipt), "1"]
    assert state_of(dead) == State.DEAD
    assert run("replay_raw").endswith("1 payloads will be processed again.\n")
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


def test_replay_by_failure_group() -> None:
    now = timezone.now()
    title = "KeyError: 'price'\x1b[2J"
    group = FailureGroup.objects.create(source="demo", fingerprint="f", title=title, first_at=now, last_at=now)
    failing, other = made(State.DEAD), made(State.DEAD)
    RawPayload.objects.filter(pk=failing.pk).update(failure=group)
    listed = run("replay_raw", "--failure", str(group.pk), "--dry-run")
    assert f"dead         demo  #{group.pk} KeyError: 'price'\ufffd[2J\n1 payloads.\n" in listed
    run("replay_raw", "--failure", str(group.pk))
    assert (state_of(failing), state_of(other)) == (State.RETRYING, State.DEAD)


def test_replay_says_what_it_left_and_how_long_it_takes() -> None:
    for state in (State.DEAD, State.DEAD, State.RECEIVED, State.QUARANTINED, State.PROCESSING):
        made(state, source="photo")
    receipts = [str(payload.receipt) for payload in RawPayload.objects.all()]
    out = run("replay_raw", *receipts, "--rate", "0.1")
    assert "2 payloads will be processed again.\nThey become due within 20 s" in out
    assert "3 were left" in out


def test_replay_goes_on_where_it_was_stopped(state_dir: Path) -> None:
    first, second = made(State.DEAD), made(State.DEAD)
    progress = begin(Selection(state=State.DEAD))
    progress.place, progress.moved = Place(first.received_at, first.pk), 1
    asked = {"source": "", "since": None, "until": None, "state": State.DEAD, "failure": None, "receipts": ()}
    checkpoint = Checkpoint(asked)
    checkpoint.save(Selection(state=State.DEAD), progress)
    late = made(State.DEAD)
    out = run("replay_raw")
    assert "which was stopped after 1 of 2" in out
    assert [state_of(payload) for payload in (first, second, late)] == ["dead", "retrying", "dead"]
    checkpoint.save(Selection(state=State.DEAD), progress)
    assert "2 payloads will" in run("replay_raw", "--restart")
    assert [state_of(payload) for payload in (first, late)] == ["retrying", "retrying"]
    assert not list((state_dir / "replays").glob("*.json"))


def test_two_replays_of_the_same_do_not_run_at_once(state_dir: Path) -> None:
    made(State.DEAD)
    asked = {"source": "", "since": None, "until": None, "state": State.DEAD, "failure": None, "receipts": ()}
    with Checkpoint(asked).held(), pytest.raises(CommandError, match="Another replay_raw"):
        run("replay_raw")


def test_replay_verifies_what_is_quarantined(settings: Any) -> None:
    secret = "whsec_" + "c2VjcmV0" * 4
    settings.NOTIFICATIONS_SOURCES = {"hooks": {"http": True, "signature": "stripe", "secrets": [secret]}}
    good, bad = made(State.QUARANTINED, source="hooks"), made(State.QUARANTINED, source="hooks")
    headers = sign("stripe", good.body, secret, good.received_at.timestamp())
    RawPayload.objects.filter(pk=good.pk).update(headers_json=json.dumps(headers))
    out = run("replay_raw", "--state", "quarantined", "--source", "hooks")
    assert "1 payloads admitted, 1 still badly signed, 0 duplicates left there." in out
    assert (state_of(good), state_of(bad)) == (State.RECEIVED, State.QUARANTINED)


def test_replay_sends_copies(receiver: Receiver) -> None:
    payloads = [made(State.DEAD), made(State.DEAD)]
    receiver.answers(response(500))
    lines = run("replay_raw", "--to", receiver.url).splitlines()
    assert [line.split()[2] for line in lines[:2]] == ["500", "204"]
    assert lines[2] == f"2 sent to 127.0.0.1:{receiver.port}, 1 of them answered 2xx."
    assert [request.body for request in receiver.requests] == [payload.body for payload in payloads]
    assert [state_of(payload) for payload in payloads] == ["dead", "dead"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], set()),
        (["--with-signatures"], {"x-hub-signature-256"}),
        (["--with-keys"], {"x-api-key", "idempotency-key"}),
        (["--with-signatures", "--with-keys"], {"x-hub-signature-256", "x-api-key", "idempotency-key"}),
    ],
)
def test_replay_sends_signatures_and_keys_where_they_are_asked_for(
    receiver: Receiver, options: list[str], wanted: set[str]
) -> None:
    stored = made(State.DEAD)
    headers = {"x-hub-signature-256": "s", "x-api-key": "k", "idempotency-key": "k"}
    RawPayload.objects.filter(pk=stored.pk).update(headers_json=json.dumps(headers))
    run("replay_raw", "--to", receiver.url, *options)
    assert set(receiver.requests[0].headers) & headers.keys() == wanted


def test_replay_sends_elsewhere_only_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("notifications.operations.replay_modes.Replay.send", lambda *given, **_: asked.append(given))
    run("replay_raw", "--to", "http://192.0.2.1/", "--allow-host", "192.0.2.1")
    assert len(asked) == 1
    with pytest.raises(CommandError, match="--allow-host"):
        run("replay_raw", "--to", "http://192.0.2.1/", "--allow-host", "192.0.2.2")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--source", "nobody"],
        ["--since", "yesterdayish"],
        ["no-receipt"],
        ["--failure", "7"],
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--to", "http://192.0.2.1/"],
        ["--to", ""],
    ],
)
def test_replay_says_what_is_wrong(wrong: list[str]) -> None:
    with pytest.raises(CommandError):
        run("replay_raw", *wrong)


def test_prune_deletes_what_was_done_long_ago_and_nothing_else() -> None:
    kept = [made(State.DONE, days_old=29), made(State.DEAD, days_old=99), made(State.RETRYING, days_old=99)]
    gone = [made(State.DONE, days_old=31) for _ in range(5)]
    dry = run("prune_raw", "--dry-run")
    assert "       5 done in demo, from before" in dry
    assert dry.endswith("5 payloads would be deleted.\n")
    assert run("prune_raw", "--batch", "2").endswith("\n5 payloads deleted.\n")
    assert list(RawPayload.objects.order_by("pk")) == kept
    assert not RawPayload.objects.filter(pk__in=[payload.pk for payload in gone]).exists()
    assert run("prune_raw", "--days", "7").endswith("1 payloads deleted.\n")


def test_prune_shows_what_contains_a_text_and_asks_before_it_deletes(state_dir: Path) -> None:
    mine, other = made(State.DONE), made(State.DONE)
    RawPayload.objects.filter(pk=mine.pk).update(inline_body=b'{"mail": "ada\\u0040example.com"}')
    asked = ["--containing", "Ada@Example.com", "--since", "1 day ago", "--until", "now"]
    dry = run("prune_raw", *asked, "--dry-run")
    assert f"{mine.receipt} " in dry
    assert "done        demo: in body\n1 of 2 payloads contain it.\nNot searched: backups" in dry
    with pytest.raises(CommandError, match="Nothing was deleted"):
        run("prune_raw", *asked)
    assert RawPayload.objects.count() == 2
    assert run("prune_raw", *asked, "--yes").endswith("1 payloads deleted.\n")
    assert list(RawPayload.objects.all()) == [other]


def test_prune_says_what_a_worker_has_in_hand(state_dir: Path) -> None:
    mine = made(State.PROCESSING)
    RawPayload.objects.filter(pk=mine.pk).update(query="name=Ada%20Lovelace")
    asked = ["--containing", "ada lovelace", "--since", "1 day ago", "--until", "now", "--yes"]
    with pytest.raises(CommandError, match="1 were left: a worker"):
        run("prune_raw", *asked)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--days", "-1"],
        ["--days", "nan"],
        ["--batch", "0"],
        ["--yes"],
        ["--since", "now"],
        ["--containing", "ada@example.com"],
        ["--containing", "ada@example.com", "--since", "1 day ago"],
        ["--containing", "ad", "--since", "1 day ago", "--until", "now"],
        ["--containing", "", "--since", "1 day ago", "--until", "now"],
        ["--containing", "ada@example.com", "--since", "1 day ago", "--until", "soon"],
    ],
)
def test_prune_says_what_is_wrong(wrong: list[Any]) -> None:
    with pytest.raises(CommandError):
        run("prune_raw", *wrong)
