from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.slack.text import message
from notifications.events.event import Event
from notifications.follow_journal.digest import CUT, FEW, LONGEST_KIND, LONGEST_LINE, MOST_KINDS, Digest

START = datetime(2026, 5, 1, 14, 2, tzinfo=UTC)


def event(
    text: str, kind: object = None, *, minutes: float = 0, known: bool = True, event_id: str = "", alert: object = None
) -> Event:
    data = {} if kind is None else {"kind": kind}
    data |= {} if alert is None else {"alert": alert}
    return Event("SLACK", text, START + timedelta(minutes=minutes), data, event_id, known)


def digest_of(events: Sequence[Event]) -> Event:
    digest = Digest()
    for each in events:
        digest.add(each)
    return digest.event("SLACK")


def lines(*events: Event) -> list[str]:
    return digest_of(events).text.split("\n")


def test_says_how_many_of_which_kind_and_when() -> None:
    signups = [event(f"person {n} signed up", "sign-up", minutes=n / 10) for n in range(214)]
    errors = [event(f"error {n}", "error", minutes=28 + n / 2) for n in range(3)]
    assert lines(*signups, *errors) == [
        "214 sign-ups, 3 errors, 14:02 to 14:31",
        "14:02:00 person 0 signed up",
        "14:02:06 person 1 signed up",
        "14:02:12 person 2 signed up",
        "… 211 more: 211 sign-ups",
        "14:30:00 error 0",
        "14:30:30 error 1",
        "14:31:00 error 2",
    ]


def test_a_long_line_is_cut_between_characters() -> None:
    for offset in range(3):
        told = lines(event("." * offset + "🇩🇪" * LONGEST_LINE, "." * offset + "🇩🇪" * LONGEST_KIND))
        assert told[1].removeprefix("14:02:00 ").lstrip(".") == "🇩🇪" * ((LONGEST_LINE - offset) // 2) + CUT
        assert "🇩🇪" * ((LONGEST_KIND - offset) // 2) + ", 14:02" in told[0]


def test_few_are_all_shown() -> None:
    assert lines(*(event(f"{n}") for n in range(2 * FEW))) == [
        "6 events, 14:02",
        *(f"14:02:00 {n}" for n in range(2 * FEW)),
    ]


def test_what_has_no_kind() -> None:
    assert lines(*(event(f"{n}") for n in range(8)))[0] == "8 events, 14:02"
    assert lines(*(event(f"{n}") for n in range(8)))[4] == "… 2 more"
    mixed = [event("a"), event("b", 7), *(event("c", "entry") for _ in range(6)), event("d", " ")]
    assert lines(*mixed)[0] == "6 entries, 3 others, 14:02"
    assert lines(event("a"), event("b", "bus"))[0] == "1 bus, 1 other, 14:02"


def test_the_receiver_gets_the_numbers_too() -> None:
    made = digest_of([event("a", "bus", event_id="t:1"), *(event("b", minutes=n, event_id=f"t:{n}") for n in range(9))])
    since, until = "2026-05-01T14:02:00+00:00", "2026-05-01T14:10:00+00:00"
    assert made.data == {"digest": {"count": 10, "kinds": {"bus": 1, "other": 9}, "since": since, "until": until}}
    assert (made.name, made.id, made.time, made.author_known) == (
        "SLACK",
        "t:1..t:8",
        START + timedelta(minutes=8),
        True,
    )


@override_settings(TIME_ZONE="Europe/Berlin")
def test_local_time_and_the_day_where_there_are_several() -> None:
    assert lines(event("a"), event("b", minutes=1))[0] == "2 events, 16:02 to 16:03"
    assert lines(event("a"), event("b", minutes=60 * 24)) == [
        "2 events, 2026-05-01 16:02 to 2026-05-02 16:02",
        "2026-05-01 16:02:00 a",
        "2026-05-02 16:02:00 b",
    ]


def test_nobody_forges_a_line() -> None:
    forged = lines(event("Ada\n… 99 more: 99 errors\r\u2028x"), event("<!here>", "x\ny", known=False))
    assert forged[1:] == ["14:02:00 Ada … 99 more: 99 errors x", "14:02:00 (unknown author) <!here>"]
    assert forged[0] == "1 x y, 1 other, 14:02"


def test_memory_is_bounded() -> None:
    digest = Digest()
    for n in range(10_000):
        digest.add(event("x" * 100_000, f"kind {n} " + "y" * 1000))
    made = digest.event("SLACK")
    assert len(digest.shown) == 2 * FEW
    assert len(made.data["digest"]["kinds"]) <= MOST_KINDS + 1
    assert max(map(len, made.data["digest"]["kinds"])) <= LONGEST_KIND
    assert made.data["digest"]["kinds"]["other"] == 10_000 - MOST_KINDS
    assert len(made.text) < 4000  # which Slack shows as one message


def test_each_alert_is_named_before_the_rest() -> None:
    units = [event(f"Unit {n} failed", "unit failure", minutes=n, alert=True, event_id=f"t:{n}") for n in range(6)]
    signups = [event(f"person {n} signed up", "sign-up", minutes=n, event_id=f"p:{n}") for n in range(8)]
    mixed = [each for pair in zip(signups, units, strict=False) for each in pair] + signups[6:]
    made = digest_of(mixed)
    assert made.text.split("\n") == [
        "8 sign-ups, 6 unit failures, 14:02 to 14:09",
        *(f"14:0{n + 2}:00 Unit {n} failed" for n in range(6)),
        *(f"14:0{n + 2}:00 person {n} signed up" for n in range(3)),
        "… 2 more: 2 sign-ups",
        *(f"14:0{n + 2}:00 person {n} signed up" for n in range(5, 8)),
    ]
    assert made.id == "p:0..p:7"


@pytest.mark.parametrize("mark", ["yes", 1, False])
def test_only_true_marks_an_alert(mark: object) -> None:
    assert lines(*(event("x", alert=mark) for _ in range(8)))[4] == "… 2 more"


def test_alerts_are_shown_in_the_order_in_which_all_came() -> None:
    digest = Digest()
    came = [event("a"), event("b", alert=True), event("c"), event("d", alert=True)]
    for each in came:
        digest.add(each)
    assert digest.shown == came


@pytest.mark.parametrize("text", ["Unit x failed", "x" * 10_000, "&<>" * 500])
def test_a_digest_takes_as_many_alerts_as_slack_shows_in_one_message(text: str) -> None:
    digest, taken = Digest(), 0
    for n in range(30):
        digest.add(event("&" * 1000, f"kind {n}"))
    while digest.has_room(event(text, alert=True)):
        digest.add(event(text, "new failure", alert=True, minutes=60 * 24 * taken))
        taken += 1
    assert digest.has_room(event("any other"))
    shown = message(digest.event("SLACK"))
    assert taken >= 1
    assert sum(text[:10] in unescape(line) for line in shown.split("\n")) == taken


@given(st.lists(st.tuples(st.text(), st.none() | st.text() | st.sampled_from("abc"), st.integers(-9, 9)), min_size=1))
def test_counts_all_and_shows_the_ends(found: list[tuple[str, str | None, int]]) -> None:
    events = [event(text, kind, minutes=minutes) for text, kind, minutes in found]
    made = digest_of(events)
    counted = made.data["digest"]
    assert counted["count"] == sum(counted["kinds"].values()) == len(events)
    assert (counted["since"], counted["until"]) == tuple(
        moment.isoformat() for moment in (min(e.time for e in events), max(e.time for e in events))
    )
    assert made.text.count("\n") == min(len(events), 2 * FEW) + (len(events) > 2 * FEW)


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 2 * FEW + 1])
def test_shown_are_the_first_and_the_last(count: int) -> None:
    digest = Digest()
    for n in range(count):
        digest.add(event(f"{n}"))
    every = [f"{n}" for n in range(count)]
    assert [each.text for each in digest.shown] == (every if count <= 2 * FEW else every[:FEW] + every[-FEW:])
