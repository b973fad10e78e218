"""Each action of a person is recorded on what it changed, and on nothing else."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from notifications.models import FailedDelivery, OperatorAction, RawPayload, State
from notifications.utils.times import utc_now
from tests.support.admin import FAILED, act, payload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Row = tuple[str, str, str]


def actions(**which: Any) -> list[Row]:
    rows = OperatorAction.objects.filter(**which).order_by("pk")
    return list(rows.values_list("what", "by", "note"))


def dead(**columns: Any) -> RawPayload:
    return payload(**{"state": State.DEAD, "next_attempt_at": None} | columns)


def test_a_replay_is_recorded_on_what_it_moved(admin: Client) -> None:
    moved, left = dead(), payload()
    act(admin, "process_again", moved, left, confirmed="yes")
    assert actions(payload=moved) == [("replayed", "root", "")]
    assert actions(payload=left) == []


def test_a_command_names_its_user() -> None:
    moved = dead()
    call_command("replay_raw", verbosity=0)
    ((what, by, _),) = actions(payload=moved)
    assert what == "replayed"
    assert by.endswith(" (replay_raw)")
    assert len(by) > len(" (replay_raw)")


def test_giving_up_and_letting_in_are_recorded(admin: Client) -> None:
    waiting = payload()
    act(admin, "give_up", waiting)
    assert actions(payload=waiting) == [("gave up", "root", "")]
    RawPayload.objects.filter(pk=waiting.pk).update(state=State.QUARANTINED)
    assert RawPayload.objects.all().admit(by="ada") == 1
    assert actions(payload=waiting)[1:] == [("let out of the quarantine", "ada", "")]


def test_a_delivery_that_is_sent_again_says_by_whom(admin: Client) -> None:
    first, second = (
        FailedDelivery.objects.create(channel="SLACK", event_time=utc_now(), text="x", reason=reason) for reason in "ab"
    )
    act(admin, "send_again", first, address=FAILED)
    act(admin, "send_same_again", second, address=FAILED)
    assert actions(delivery=first) == actions(delivery=second) == [("sent again", "root", "")]
