"""What was refused is counted, with an example, in a bounded number of rows."""

import os
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.journal import Entry
from notifications.losses import TextRefusals, refused_entries
from notifications.losses.observed_entry import visible
from notifications.losses.refused_entries import (
    FOREIGN,
    MALFORMED,
    NO_CHANNEL,
    NO_SERIES,
    PLAIN,
    REST,
    TOO_LARGE,
    Refusals,
)
from notifications.models import Refusal, Writer
from tests.support.accounting import MACHINE, UNIT, Office

pytestmark = pytest.mark.django_db(transaction=True)

UID: Final = str(os.getuid())


@pytest.fixture
def office() -> Office:
    return Office()


def rows() -> list[tuple[str, str, str, int]]:
    return list(Refusal.objects.order_by("pk").values_list("reason", "name", "author", "count"))


def test_what_is_delivered_is_not_refused(office: Office) -> None:
    for name in ("SLACK", "LOST", "END", "TICK"):
        office.write(1, name=name)
    office.write_fields(MESSAGE="OPS: a plain line")
    office.read()
    assert rows() == []


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        ('{"minute": 0, "series": {"handled": {"photo": [1, 2, 2, "0,1"]}}}', []),
        ('{"minute": 0, "series": {"handled": {"photo": [1, 2, 2]}}}', [NO_SERIES]),
        ("", [NO_SERIES]),
    ],
)
def test_series_are_refused_if_they_say_nothing_sensible(office: Office, data: str, refused: list[str]) -> None:
    """Their process is no writer, whose end would be missed."""
    office.write(1, name="SERIES", PROPPY_ID="token#1", PROPPY_DATA=data)
    office.read()
    assert [reason for reason, *_ in rows()] == refused
    assert not Writer.objects.exists()


@pytest.mark.parametrize("uid", ["99", None, "", [UID], "0 0"])
def test_an_event_of_another_user(office: Office, uid: Any) -> None:
    for n in range(3):
        office.write(n + 1, text=f"forged {n}", _UID=uid, _SYSTEMD_UNIT=None)
    office.read()
    ((reason, name, author, count),) = rows()
    assert (reason, name, count) == (FOREIGN, "", 3)
    assert author == f"uid {uid if isinstance(uid, str) and uid else UID if uid else 'unknown'}"
    assert Refusal.objects.get().example == "SLACK: forged 2"
    assert not Writer.objects.exists()


def test_the_author_is_what_the_journal_vouches_for(office: Office) -> None:
    office.write(1, _UID="99", UID="0", _SYSTEMD_UNIT="session-3.scope", SYSLOG_IDENTIFIER="root")
    office.read()
    assert Refusal.objects.get().author == "uid 99, session-3.scope"


def test_a_name_that_is_no_channel(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.write(1, 2, name="OPS")
    office.write(3, name="SLAC")
    office.read()
    office.channels.append("OPS")
    office.write(4, name="OPS")
    office.read()
    author = f"uid {UID}, {UNIT}"
    assert rows() == [(NO_CHANNEL, "OPS", author, 2), (NO_CHANNEL, "SLAC", author, 1)]
    assert Writer.objects.get().highest == 4
    said = [message for message in caplog.messages if message.startswith("no channel is called")]
    assert [message.split()[4] for message in said] == ["OPS:", "SLAC:"]


@pytest.mark.parametrize(
    ("event", "message"),
    [("SLACK", "OPS: x"), ("SLACK", None), ("slack", "slack: x"), (["SLACK"], "SLACK: x"), ("SLACK\n", "SLACK\n: x")],
)
def test_what_is_no_event_though_it_looks_like_one(office: Office, event: Any, message: Any) -> None:
    office.write(1, PROPPY_EVENT=event, MESSAGE=message)
    office.read()
    assert rows() == [(MALFORMED, "", f"uid {UID}, {UNIT}", 1)]


def test_counts_are_added_and_the_times_are_those_of_the_first_and_the_last(office: Office) -> None:
    for number in range(1, 4):
        office.write(number, name="OPS", text=f"{number}")
        office.read()
        office.now += 60
    row = Refusal.objects.get()
    assert (row.count, row.example) == (3, "OPS: 3")
    assert round((row.until - row.since).total_seconds()) == 120


def test_entries_that_were_too_large(office: Office) -> None:
    office.accountant.oversized(2)
    office.accountant.oversized(1)
    office.write(1)
    office.read(rolled_back=True)
    assert rows() == []
    office.read()
    office.write(2)
    office.read()
    assert rows() == [(TOO_LARGE, "", "unknown", 3)]
    office.accountant.oversized(1)
    office.idle()
    office.now += 11
    office.idle()
    assert rows() == [(TOO_LARGE, "", "unknown", 4)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\x1b[31m\0\u202egnp", "a\\nb\\x1b[31m\\x00\\u202egnp"),
        ("\ud800 😀 é <b>", "\\ud800 😀 é <b>"),
        ("x" * 3000, "x" * 495),
        ("\n" * 3000, "\\n" * 247 + "\\"),
    ],
)
def test_the_example_can_be_looked_at(office: Office, text: str, shown: str) -> None:
    office.write(1, name="OPS", text=text, _UID="99")
    office.read()
    assert Refusal.objects.get().example == f"OPS: {shown}"[:500]


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_can_be_shown(text: str) -> None:
    assert visible(text).isprintable()
    assert "\0" not in visible(text).encode().decode()


def test_strangers_cannot_fill_the_database(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_entries, "MOST_ROWS", 5)
    for batch in range(3):
        for uid in range(20):
            office.write(1, _UID=f"{9000 + 100 * batch + uid}", _SYSTEMD_UNIT=None)
        office.read()
    office.write(1, _UID="9000", _SYSTEMD_UNIT=None)
    office.read()
    assert Refusal.objects.count() == 6
    assert sum(count for *_, count in rows()) == 61
    rest = Refusal.objects.get(name="…")
    assert (rest.reason, rest.name, rest.author) == REST
    assert rest.count == 55
    assert Refusal.objects.get(author="uid 9000").count == 2


def test_two_journals_are_counted_apart() -> None:
    for journal in ("journald://", "file:///x"):
        office = Office(journal)
        office.write(1, name="OPS")
        office.read()
    assert [count for *_, count in rows()] == [1, 1]


def test_nothing_is_written_where_nothing_was_refused(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        Refusals(MACHINE, "memory://").save()


# Plain text


def line(message: Any, **fields: Any) -> Entry:
    return Entry(
        "1", 1_800_000_000_000_000, {"MESSAGE": message, "_UID": "1000", "_SYSTEMD_UNIT": "cron.service"} | fields
    )


def test_plain_lines_for_a_channel_that_takes_none() -> None:
    channel = TextRefusals(MACHINE, "journald://#text", lambda: ["OPS", "PAY"])
    lines = [line("OPS: one"), line("SLACK: x"), line("a line"), line("PAY: two"), line("OPS: three\x1b"), line(None)]
    lines.append(line("OPS: x", PROPPY_EVENT="OPS"))
    events = [event for each in lines if (event := channel.observe(each))]
    assert [event.author_known for event in events] == [False] * 3
    channel.deliver(events)
    assert rows() == [(PLAIN, "OPS", "uid 1000, cron.service", 2), (PLAIN, "PAY", "uid 1000, cron.service", 1)]
    assert Refusal.objects.get(name="OPS").example == "OPS: three\\x1b"
