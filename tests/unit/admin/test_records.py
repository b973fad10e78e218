"""The tell lane in the admin."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notifications.events.emit import process_outbox
from notifications.models import FailedDelivery, Loss, OperatorAction, Position, Refusal, ReportRow
from notifications.positions.key import Key, machine_id
from notifications.positions.lock import Holder, Lock
from notifications.status import channels
from notifications.status.lag_counting import Lag
from tests.support.admin import FAILED, act, listed, staff

pytestmark = pytest.mark.django_db


def test_channels_show_how_they_are_doing(admin: Client, state_dir: Path, django_assert_num_queries: Any) -> None:
    now, journal = timezone.now(), process_outbox().journal
    journal.clear()  # type: ignore[attr-defined]  # of a MemoryJournal
    for text in ("a", "b"):
        journal.write(journal.encode({"MESSAGE": f"SLACK: {text}", "PROPPY_EVENT": "SLACK"}))
    times = {"entry_time": now - timedelta(minutes=5, seconds=9), "delivered_at": now - timedelta(hours=2, seconds=9)}
    stuck = {"waiting": 3, "next_attempt_at": now + timedelta(seconds=90), "problem": "Slack answered 503\nand so on"}
    stuck |= {"problem_since": now - timedelta(minutes=3, seconds=5)}
    ours = {"machine": machine_id(), "journal": "memory://"}
    slack = Position.objects.create(channel="SLACK", **times, **stuck, **ours)
    Position.objects.create(channel="REPORT", machine="another", journal="memory://")
    FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="y", again_at=now)
    Loss.objects.create(origin="o", channel="SLACK", reason="r", count=312, key="1", until=now)
    Loss.objects.create(origin="o", channel="SLACK", reason="r", count=None, key="2", until=now)
    lock = Lock(Key(ours["machine"], "memory://", "SLACK"))

    with django_assert_num_queries(6):  # session, user, count, positions, their numbers; and the verdict
        answer = admin.get("/admin/notifications/position/")
    pages = [answer.content.decode(), admin.get(f"/admin/notifications/position/{slack.pk}/change/").content.decode()]
    lock.close()

    assert "<h1>Channels</h1>" in pages[0]
    assert pages[0].index(">REPORT<") < pages[0].index(">SLACK<")
    assert '<h2 id="verdict">4 PROBLEMS</h2>' in pages[0]
    assert (
        '<strong class="state state-critical">critical</strong> <a href="/admin/notifications/loss/?seen=no">'
        in pages[0]
    )
    pages = [text.replace("\N{NO-BREAK SPACE}", " ") for text in pages]
    assert (
        '<span class="state channel-blocked">blocked</span><span class="place">for 3 min, next try in 1 min' in pages[0]
    )
    assert '<span class="state channel-idle">idle</span>' in pages[0]
    assert ">Slack answered 503<" in pages[0]
    assert "and so on" not in pages[0].partition('id="result_list"')[2]
    assert "and so on" in pages[1]
    assert '<span class="state channel-blocked">blocked</span> since ' in pages[1]
    assert "manage.py follow_journal --channel &#x27;SLACK&#x27; --since" in pages[1]
    for text in pages:
        assert re.search(r">3 in hand, 2, \d+ s behind<", text)
        assert f'<a href="{FAILED}?channel=SLACK">1 (1 again)</a>' in text
        assert '<a href="/admin/notifications/loss/?channel=SLACK">312+</a>' in text
        assert f">process {os.getpid()}<" in text
    assert pages[0].count(">?<") == 1  # the other machine's follower


@pytest.mark.parametrize(
    ("columns", "followed", "lag", "state"),
    [
        ({}, True, Lag(), "idle"),
        ({}, None, None, "idle"),
        ({"waiting": 2}, True, None, "delivering"),
        ({}, True, Lag(7), "delivering"),
        ({"waiting": 2, "problem": "503"}, True, None, "blocked"),  # an older release wrote no time
        ({"problem": "503", "problem_since": timedelta(seconds=59)}, True, Lag(), "retrying"),
        ({"problem": "503", "problem_since": timedelta(seconds=61)}, None, Lag(), "blocked"),
        ({"problem_since": timedelta(seconds=61)}, True, Lag(), "idle"),
        ({"waiting": 2, "problem": "503", "problem_since": timedelta(seconds=1)}, False, None, "stopped"),
        ({}, False, Lag(7), "stopped"),
        ({}, False, Lag(), "idle"),
    ],
)
def test_the_state_of_a_channel(
    columns: dict[str, Any], followed: bool | None, lag: Lag | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    if "problem_since" in columns:
        columns = columns | {"problem_since": now - columns["problem_since"]}
    position = Position.objects.create(channel="SLACK", machine=machine_id(), journal="memory://", **columns)
    monkeypatch.setattr(channels, "holder", lambda _: Holder(followed))
    status = channels.channel_statuses([position], now, {position.pk: lag})[position.pk]
    assert status.state == state
    if state in {"retrying", "blocked"}:
        assert status.since == position.problem_since


def test_only_a_channel_in_a_journal_that_was_left_can_be_deleted(admin: Client) -> None:
    ours = {"channel": "SLACK", "machine": machine_id()}
    used = Position.objects.create(journal="memory://", **ours)
    left = Position.objects.create(journal="file:///home/dev/var/journal", **ours)
    page = "/admin/notifications/position/{}/delete/"
    assert admin.post(page.format(left.pk), {"post": "yes"}).status_code == 403  # nobody follows either
    lock = Lock(Key(machine_id(), "memory://", "SLACK"))
    try:
        assert admin.post(page.format(used.pk), {"post": "yes"}).status_code == 403
        assert "Delete" in admin.get(f"/admin/notifications/position/{left.pk}/change/").content.decode()
        assert admin.post(page.format(left.pk), {"post": "yes"}).status_code == 302
    finally:
        lock.close()
    assert list(Position.objects.all()) == [used]


def test_losses_and_refused_entries(admin: Client) -> None:
    now = timezone.now()
    hour_ago = now - timedelta(hours=1, seconds=9)
    Loss.objects.create(origin="o", channel="OPS", reason="r", count=3, key="1", until=now, told_at=hour_ago)
    Loss.objects.create(origin="o", reason="r", key="2", until=now)
    where = {"machine": "m", "journal": "j", "since": now, "until": hour_ago}
    long = "SLAK: one\n" + "x" * 10_000
    row = Refusal.objects.create(reason="no channel", name="SLAK", author="uid 0", count=7, example=long, **where)

    text = admin.get("/admin/notifications/loss/").content.decode()
    assert '<span class="place">o, OPS</span>' in text
    assert '<span class="place">o, all channels</span>' in text
    assert ">1\N{NO-BREAK SPACE}h</time>" in text

    text = admin.get("/admin/notifications/refusal/").content.decode()
    assert ">SLAK: one<" in text
    assert "xxx" not in text
    assert "xxx" in admin.get(f"/admin/notifications/refusal/{row.pk}/change/").content.decode()


def test_report_rows_come_newest_day_first(admin: Client) -> None:
    today = timezone.now().date()
    for name, day in (("b", today), ("old", today - timedelta(days=40)), ("a", today)):
        ReportRow.objects.create(name=name, day=day, count=1)

    def names(query: str) -> list[str]:
        return [row.name for row in admin.get(f"/admin/notifications/reportrow/{query}").context["cl"].result_list]

    assert names("") == ["a", "b", "old"]
    assert names(f"?day__gte={today}&day__lt={today + timedelta(days=1)}") == ["a", "b"]


# Seen

LOSSES = "/admin/notifications/loss/"
REFUSALS = "/admin/notifications/refusal/"


def loss(key: str = "1", **columns: Any) -> Loss:
    return Loss.objects.create(**{"origin": "o", "reason": "r", "key": key, "until": timezone.now()} | columns)


def refusal(count: int = 7) -> Refusal:
    now = timezone.now()
    where = {"machine": "m", "journal": "j", "reason": "no channel", "name": "SLAK", "author": "uid 0"}
    return Refusal.objects.create(count=count, since=now, until=now, **where)


@pytest.mark.parametrize(("address", "make"), [(LOSSES, loss), (REFUSALS, refusal)])
def test_a_record_is_marked_as_seen_on_its_page_and_that_is_undone(admin: Client, address: str, make: Any) -> None:
    row = make()
    page = f"{address}{row.pk}/change/"
    assert listed(admin, "seen=no", address) == [row.pk]
    assert "not yet" in admin.get(address).content.decode()
    assert "Mark as not seen" not in admin.get(page).content.decode()

    text = act(admin, "mark_seen", row, address=address, from_page=str(row.pk))
    assert "Marked as seen: 1." in text
    assert "by root" in text
    assert 'value="mark_seen"' not in text
    row.refresh_from_db()
    assert row.seen_by == "root"
    assert listed(admin, "seen=no", address) == []
    assert listed(admin, "seen=yes", address) == [row.pk]
    assert "Marked as seen: 0." in act(admin, "mark_seen", row, address=address)  # once

    text = act(admin, "mark_unseen", row, address=address, from_page=str(row.pk))
    assert "Marked as not seen: 1." in text
    row.refresh_from_db()
    assert (row.seen_at, row.seen_by) == (None, "")
    assert listed(admin, "seen=no", address) == [row.pk]
    done = [(each.what, each.by) for each in OperatorAction.objects.order_by("pk")]
    assert done == [("marked as seen", "root"), ("marked as not seen", "root")]


def test_refused_entries_that_go_on_after_they_were_seen_come_back(admin: Client) -> None:
    row = refusal(7)
    act(admin, "mark_seen", row, address=REFUSALS)
    Refusal.objects.update(count=9)
    assert listed(admin, "seen=no", REFUSALS) == [row.pk]
    assert ">2 more<" in admin.get(REFUSALS).content.decode()
    text = admin.get(f"{REFUSALS}{row.pk}/change/").content.decode()
    assert "by root; 2 more since" in text
    assert 'value="mark_seen"' in text
    assert 'value="mark_unseen"' in text
    act(admin, "mark_seen", row, address=REFUSALS)
    assert listed(admin, "seen=no", REFUSALS) == []


def test_all_losses_on_every_page_are_marked(admin: Client) -> None:
    rows = [loss(str(number)) for number in range(130)]
    assert "Marked as seen: 130." in act(admin, "mark_seen", rows[0], address=f"{LOSSES}?seen=no", select_across="1")
    assert not Loss.objects.unseen().exists()


@pytest.mark.parametrize(("address", "make", "model"), [(LOSSES, loss, "loss"), (REFUSALS, refusal, "refusal")])
def test_marking_takes_the_permission_to_change_them(address: str, make: Any, model: str) -> None:
    row = make()
    looker = staff(f"view_{model}")
    assert "mark_seen" not in looker.get(f"{address}{row.pk}/change/").content.decode()
    act(looker, "mark_seen", row, address=address)
    assert type(row).objects.unseen().count() == 1


def test_losses_of_a_channel_are_those_of_all_channels_too(admin: Client) -> None:
    Position.objects.create(machine="m", journal="j", channel="SLACK")
    ours, everybodys, _ = loss("1", channel="SLACK"), loss("2"), loss("3", channel="OPS")
    assert listed(admin, "channel=SLACK", LOSSES) == [everybodys.pk, ours.pk]
    act(admin, "mark_seen", ours, address=LOSSES)
    assert listed(admin, "channel=SLACK&seen=no", LOSSES) == [everybodys.pk]
    assert listed(admin, "seen=nope", LOSSES) == []


def test_what_people_did_is_listed_with_a_link_to_the_row(admin: Client) -> None:
    row = loss()
    act(admin, "mark_seen", row, address=LOSSES)
    text = admin.get("/admin/notifications/operatoraction/").content.decode()
    assert "Marked as seen" in text
    assert f'<a href="{LOSSES}{row.pk}/change/">loss #{row.pk}</a>' in text
    address = "/admin/notifications/operatoraction/"
    assert len(listed(admin, "to=loss", address)) == len(listed(admin, "q=root", address)) == 1
    assert listed(admin, "to=payload", address) == listed(admin, "to=x", address) == []
