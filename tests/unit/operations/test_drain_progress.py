"""What a drain shows on a terminal: how much was due, and how much of it is done."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from notifications import emit, keep
from notifications.events.emit import process_outbox
from notifications.journal import MemoryJournal

pytestmark = pytest.mark.usefixtures("sqlite_file")


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def last_bar(*arguments: str) -> str:
    out = Terminal()
    call_command(*arguments, "--drain", stdout=out)
    return [each.rstrip() for each in re.split(r"[\r\n]", out.getvalue()) if each.strip()][-1]


def test_payloads_that_are_handled_and_those_that_fail() -> None:
    keep("demo", b"x")
    keep("demo", b"y")
    keep("photo", b"no photo")
    assert re.match(r"100 % \|.*\| 2 of 2, ", last_bar("process_raw", "--source", "demo"))
    assert re.match(r"100 % \|.*\| 1 of 1, ", last_bar("process_raw", "--threads", "2"))


def test_events_of_channels_that_were_read_before(settings: Any) -> None:
    settings.NOTIFICATIONS_CHANNELS = {"REPORT": {"class": "notifications.channels.report.Report"}}
    journal = process_outbox().journal
    assert isinstance(journal, MemoryJournal)
    journal.clear()
    emit("REPORT", "sign-up")
    assert last_bar("follow_journal").startswith("1 events, "), "nobody knows how many wait for a new channel"
    for _ in range(3):
        emit("REPORT", "sign-up")
    assert re.match(r"100 % \|.*\| 3 of 3, ", last_bar("follow_journal"))
