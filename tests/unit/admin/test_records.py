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
from notifications.models import FailedDelivery, Loss, Position, Refusal, ReportRow
from notifications.positions.key import Key, machine_id
from notifications.positions.lock import Lock

pytestmark = pytest.mark.django_db


def test_channels_show_how_they_are_doing(admin: Client, state_dir: Path, django_assert_num_queries: Any) -> None:
    now, journal = timezone.now(), process_outbox().journal
    journal.clear()  # type: ignore[attr-defined]  # of a MemoryJournal
    for text in ("a", "b"):
        journal.write(journal.encode({"MESSAGE": f"SLACK: {text}", "PROPPY_EVENT": "SLACK"}))
    times = {"entry_time": now - timedelta(minutes=5, seconds=9), "delivered_at": now - timedelta(hours=2, seconds=9)}
    stuck = {"waiting": 3, "next_attempt_at": now + timedelta(seconds=90), "problem": "Slack answered 503\nand so on"}
    ours = {"machine": machine_id(), "journal": "memory://"}
    slack = Position.objects.create(channel="SLACK", **times, **stuck, **ours)
    Position.objects.create(channel="REPORT", machine="another", journal="memory://")
    FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="y", again_at=now)
    Loss.objects.create(origin="o", channel="SLACK", reason="r", count=312, key="1", until=now)
    Loss.objects.create(origin="o", channel="SLACK", reason="r", count=None, key="2", until=now)
    lock = Lock(Key(ours["machine"], "memory://", "SLACK"))

    with django_assert_num_queries(7 + 16):  # session, user, count, positions, twice failed, lost; and the verdict
        answer = admin.get("/admin/notifications/position/")
    pages = [answer.content.decode(), admin.get(f"/admin/notifications/position/{slack.pk}/change/").content.decode()]
    lock.close()

    assert "<h1>Channels</h1>" in pages[0]
    assert pages[0].index(">REPORT<") < pages[0].index(">SLACK<")
    assert '<h2 id="verdict">4 PROBLEMS</h2>' in pages[0]
    assert '<strong class="state state-critical">critical</strong> <a href="/admin/notifications/loss/">' in pages[0]
    assert ">5\N{NO-BREAK SPACE}min</time>" in pages[0]
    assert ">2\N{NO-BREAK SPACE}h</time>" in pages[0]
    assert ">3, next try in 1\N{NO-BREAK SPACE}min: Slack answered 503<" in pages[0]
    assert "and so on" not in pages[0].partition('id="result_list"')[2]
    assert "and so on" in pages[1]
    for text in (page.replace("\N{NO-BREAK SPACE}", " ") for page in pages):
        assert re.search(r">2, \d+ s<", text)
        assert ">312+<" in text
        assert ">1 (1 again)<" in text
        assert f">process {os.getpid()}<" in text
    assert pages[0].count(">?<") == 2  # the other machine's lag and follower


def test_losses_and_refused_entries(admin: Client) -> None:
    now = timezone.now()
    hour_ago = now - timedelta(hours=1, seconds=9)
    Loss.objects.create(origin="o", channel="OPS", reason="r", count=3, key="1", until=now, told_at=hour_ago)
    Loss.objects.create(origin="o", reason="r", key="2", until=now)
    where = {"machine": "m", "journal": "j", "since": now, "until": hour_ago}
    long = "SLAK: one\n" + "x" * 10_000
    row = Refusal.objects.create(reason="no channel", name="SLAK", author="uid 0", count=7, example=long, **where)

    text = admin.get("/admin/notifications/loss/").content.decode()
    assert ">OPS<" in text
    assert ">all<" in text
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
