"""What people do with payloads from the admin."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from notifications import keep
from notifications.admin.lists import confirm
from notifications.admin.payloads import moves
from notifications.http.signatures import sign
from notifications.models import RawPayload, State
from notifications.operations import replay
from notifications.store import insert
from notifications.store.new_payload import OTHER_BYTES, Record, beside_the_first, digest_of
from tests.support.admin import LIST, TRACEBACK, act, page, payload, staff

EVIL = "'\"><script>"
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", [State.DONE, State.DEAD, State.RETRYING])
def test_process_again_asks_first_and_then_hands_it_to_the_workers(
    admin: Client, state: State, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(replay, "wake", lambda: woken.append("woken"))
    stored = payload(state=state, attempts=16, error=TRACEBACK, next_attempt_at=None, done_at=timezone.now())

    question = act(admin, "process_again", stored)
    assert "<strong>1 payload</strong>?" in question
    assert (
        "1 of them are done: what their handlers did (a mail, an entry in the books) is done a second time" in question
    ) is (state == State.DONE)
    assert RawPayload.objects.get(pk=stored.pk).state == state

    with django_capture_on_commit_callbacks(execute=True):
        answer = act(admin, "process_again", stored, confirmed="yes")
    stored.refresh_from_db()
    assert (stored.state, stored.attempts, stored.error, stored.done_at) == (State.RETRYING, 0, TRACEBACK, None)
    assert stored.next_attempt_at is not None
    assert stored.next_attempt_at <= timezone.now()
    assert woken
    assert "To be processed again: 1.</li>" in answer


def test_the_question_repeats_the_action_as_it_was_asked(admin: Client) -> None:
    stored = [payload(state=State.DEAD, next_attempt_at=None) for _ in range(3)]
    fields = 'name="_selected_action" value="{}"'

    question = act(admin, "process_again", *stored[:2], from_page=EVIL)
    assert all(fields.format(one.pk) in question for one in stored[:2])
    assert fields.format(stored[2].pk) not in question
    assert 'name="select_across"' not in question
    assert EVIL not in question
    assert "No, take me back" in question

    question = act(admin, "process_again", stored[0], address=f"{LIST}?state=dead", select_across="1")
    assert "<strong>3 payloads</strong>?" in question
    assert 'name="select_across" value="1"' in question


def test_the_question_counts_up_to_a_bound(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm, "MOST", 2)
    stored = [payload(state=State.DEAD, next_attempt_at=None) for _ in range(3)]
    assert "<strong>2+ payloads</strong>?" in act(admin, "process_again", *stored)


def test_an_address_confirms_nothing(admin: Client) -> None:
    stored = payload(state=State.DEAD, next_attempt_at=None)
    admin.get(f"{LIST}?action=process_again&index=0&_selected_action={stored.pk}&confirmed=yes")
    assert RawPayload.objects.get(pk=stored.pk).state == State.DEAD


def test_an_action_from_a_page_goes_back_there(admin: Client) -> None:
    stored = payload(state=State.DEAD, next_attempt_at=None)
    assert 'value="process_again"' in page(admin, stored)

    answer = act(admin, "process_again", stored, confirmed="yes", from_page=str(stored.pk))

    assert str(stored.receipt) in answer
    assert "To be processed again: 1." in answer


def test_quarantined_ones_are_verified_again(admin: Client, settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"signature": "github", "secrets": ["right"]}}
    good = payload(b"x", headers=sign("github", b"x", "right", 0), state=State.QUARANTINED, next_attempt_at=None)
    bad = payload(b"y", headers=sign("github", b"y", "wrong", 0), state=State.QUARANTINED, next_attempt_at=None)
    assert 'value="verify_again"' in page(admin, good)

    answer = act(admin, "verify_again", good, bad)

    assert "Verified, and to be processed: 1. Still wrong: 1.</li>" in answer
    states = RawPayload.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == [State.RECEIVED, State.QUARANTINED]


@pytest.mark.parametrize("state", [State.RECEIVED, State.RETRYING])
def test_give_up_makes_it_dead_and_says_who_did(admin: Client, state: State) -> None:
    stored, blank = payload(state=state, error=TRACEBACK), payload(state=state)

    assert "Given up: 2.</li>" in act(admin, "give_up", stored, blank)

    stored.refresh_from_db()
    blank.refresh_from_db()
    assert (stored.state, stored.next_attempt_at) == (State.DEAD, None)
    assert stored.error == f"{TRACEBACK}\nGiven up by root"
    assert blank.error == "Given up by root"


@pytest.mark.parametrize("action", ["process_again", "give_up"])
def test_what_a_worker_has_is_left_alone(admin: Client, action: str) -> None:
    until = timezone.now() + timedelta(seconds=60)
    stored = payload(state=State.PROCESSING, lease_token=uuid.uuid4(), lease_until=until, next_attempt_at=until)
    before = RawPayload.objects.values().get(pk=stored.pk)

    assert "Left alone: 1, because" in act(admin, action, stored, confirmed="yes")

    assert RawPayload.objects.values().get(pk=stored.pk) == before


def test_what_nobody_has_verified_is_neither_given_up_nor_processed(admin: Client) -> None:
    stored = payload(state=State.QUARANTINED, next_attempt_at=None)
    text = page(admin, stored)
    assert 'value="give_up"' not in text
    assert 'value="process_again"' not in text

    assert "Left alone: 1, because" in act(admin, "give_up", stored)
    assert "Left alone: 1, because" in act(admin, "process_again", stored, confirmed="yes")
    assert RawPayload.objects.get(pk=stored.pk).state == State.QUARANTINED


def test_done_is_not_given_up_and_waiting_not_started_over(admin: Client) -> None:
    done, later = (
        payload(state=State.DONE, next_attempt_at=None),
        payload(next_attempt_at=timezone.now() + timedelta(days=1)),
    )

    act(admin, "give_up", done)
    act(admin, "process_again", later, confirmed="yes")

    assert RawPayload.objects.get(pk=done.pk).state == State.DONE
    assert RawPayload.objects.get(pk=later.pk).next_attempt_at == later.next_attempt_at


def test_all_that_match_are_moved_on_every_page(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "BATCH", 2)
    dead = [payload(state=State.DEAD, next_attempt_at=None) for _ in range(5)]
    other = payload(state=State.DONE, next_attempt_at=None)
    data = {"action": "process_again", "index": "0", "_selected_action": str(dead[0].pk), "select_across": "1"} | {
        "confirmed": "yes"
    }

    answer = admin.post(f"{LIST}?state=dead", data | {"confirmed": "yes"}, follow=True)

    assert "To be processed again: 5." in answer.content.decode()
    assert RawPayload.objects.filter(state=State.RETRYING).count() == 5
    assert RawPayload.objects.get(pk=other.pk).state == State.DONE


def test_actions_take_the_permission_to_change_payloads() -> None:
    stored = payload(state=State.DEAD)

    act(staff("view_rawpayload", "view_body"), "process_again", stored, confirmed="yes")
    assert RawPayload.objects.get(pk=stored.pk).state == State.DEAD

    User.objects.all().delete()
    operator = staff("change_rawpayload")
    assert "Process again" in page(operator, stored)
    act(operator, "process_again", stored, confirmed="yes")
    assert RawPayload.objects.get(pk=stored.pk).state == State.RETRYING


def test_other_bytes_under_a_used_key_have_a_link_to_the_first_and_can_be_handled_too(admin: Client) -> None:
    first = RawPayload.objects.get(receipt=keep("demo", b"first", key="k"))
    now = timezone.now()
    beside = beside_the_first(Record(first.receipt, "demo", b"second", digest_of(b"second"), now, now))
    insert.insert(beside._replace(idempotency_key="k"), connection)
    second = RawPayload.objects.get(receipt=beside.receipt)
    shown = page(admin, second)
    assert f'<a href="{LIST}{first.pk}/change/">{first.receipt}</a>' in shown
    assert 'value="handle_too"' in shown
    assert 'value="verify_again"' not in shown
    assert "first of its key" not in page(admin, first).lower()
    assert OTHER_BYTES in admin.get(LIST).text
    assert "Left, as their keys have come another way: 1." in act(admin, "verify_again", first, second)
    assert RawPayload.objects.get(pk=second.pk).state == State.QUARANTINED

    answer = act(admin, "handle_too", first, second)

    assert "To be processed: 1." in answer
    assert RawPayload.objects.get(pk=second.pk).state == State.RECEIVED
    first.delete()
    assert "(deleted since)" in page(admin, second)


def test_handling_too_takes_the_permission() -> None:
    client = staff("view_rawpayload")
    assert "handle_too" not in client.get(LIST).text
