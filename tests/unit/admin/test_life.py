"""The page of a payload shows its life: it came, waited, was tried, and what people did."""

import logging
import os
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import emit
from notifications.admin.lists.body_view import visible
from notifications.admin.payloads.emitted import MOST as EVENTS
from notifications.admin.payloads.emitted import PATIENTLY, SECONDS
from notifications.admin.payloads.life import OPEN_EVENTS, WIDTH, life_of
from notifications.admin.payloads.steps import Step, with_events
from notifications.events.emit import new_entry, process_outbox
from notifications.events.event import Event
from notifications.journal import Found
from notifications.models import Attempt, FailureGroup, OperatorAction, RawPayload, State
from notifications.models.attempts import MOST, Outcome
from notifications.process_raw.handle_payload import handle
from notifications.utils.durations import span
from tests.support.admin import EVIL, LIST, act, group, page, payload, staff
from tests.support.payloads import claimed, kept, make_due

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
logger = logging.getLogger("shop.handlers")
FIRST = "Handled, at the first attempt"


def texts(html: str, name: str) -> list[str]:
    """The texts of the elements with this class in the life."""
    life = html.partition('class="module life"')[2].partition("</section>")[0]
    found = re.findall(rf'<span class="{name}">(.*?)</span>(?=\s*<(?:span|svg|div|/li))', life, re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", "", each)) for each in found]


def events(html: str) -> dict[str, list[str]]:
    """The events of each step that has any."""
    life = html.partition('class="module life"')[2].partition("</section>")[0]
    found: dict[str, list[str]] = {}
    for what, step in zip(texts(html, "what"), life.split('<li class="life-')[1:], strict=True):
        emitted = re.findall(r'<li><span class="when">\+?[\d.]+ \w+</span> (.*?)</li>', step, re.DOTALL)
        found |= {what: [unescape(each) for each in emitted]} if emitted else {}
    return found


def test_what_happened_is_told_in_order(admin: Client, on_demo: Callable[..., None]) -> None:
    def fail(_: RawPayload) -> None:
        logger.warning("no price in %s", "order 4711")
        raise KeyError("price")

    on_demo(fail)
    stored = kept()
    handle(claimed()[0])
    act(admin, "process_again", stored, confirmed="yes")
    on_demo(lambda _: None)
    make_due()
    handle(claimed(state=State.RETRYING)[0])

    html = page(admin, stored)
    assert texts(html, "what") == [
        "Received and stored",
        "Attempt 1 failed: KeyError: 'price'",
        "Replayed",
        "Attempt 1 succeeded",
    ]
    assert re.match(r"by root, ", texts(html, "who")[2])
    failing = FailureGroup.objects.get()
    assert f'<a href="/admin/notifications/failuregroup/{failing.pk}/change/">Attempt 1 failed: KeyError' in html
    assert "WARNING shop.handlers: no price in order 4711" in html
    assert [bool(each) for each in texts(html, "took")] == [False, True, False, True]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State.DEAD, "nobody replays it"),
        (State.QUARANTINED, "until somebody acts"),
        (State.PROCESSING, "A worker has it now."),
        (State.RETRYING, "Its next attempt is due"),
    ],
)
def test_what_comes_next(admin: Client, state: State, says: str) -> None:
    due = timezone.now() if state == State.RETRYING else None
    assert says.replace("nobody", "somebody") in page(admin, payload(state=state, next_attempt_at=due))


def test_one_that_was_handled_at_once_says_so(admin: Client) -> None:
    stored = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    assert texts(page(admin, stored), "what") == ["Received and stored", "Handled, at the first attempt"]


def test_a_replay_does_not_forget_that_it_was_handled(admin: Client, on_demo: Callable[..., None]) -> None:
    on_demo(lambda _: None)
    stored = kept()
    handle(claimed()[0])
    done_at = RawPayload.objects.get().done_at
    steps = ["Received and stored", "Handled, at the first attempt"]
    assert texts(page(admin, stored), "what") == steps
    for times in (1, 2):
        act(admin, "process_again", stored, confirmed="yes")
        assert Attempt.objects.count() == times
        make_due()
        handle(claimed(state=State.RETRYING)[0])
        steps[-1:] = ["Attempt 1 succeeded", "Replayed", "Handled, at the first attempt"]
        assert texts(page(admin, stored), "what") == steps
    assert Attempt.objects.order_by("pk")[0].ended_at == done_at


@pytest.mark.django_db(transaction=True)
def test_the_events_of_its_handler_are_in_it(admin: Client, on_demo: Callable[..., None]) -> None:
    def fail(_: RawPayload) -> None:
        emit("SLACK", "an order without a price\nhttps://shop.example.org/", on_commit=False)
        raise KeyError("price")

    on_demo(fail)
    stored, other = kept(), kept()
    for each in claimed():
        handle(each)
    on_demo(lambda payload: emit("REPORT", f"of {payload.receipt}"))
    make_due()
    for each in claimed(state=State.RETRYING):
        handle(each)
    emit("SLACK", "of nobody")

    assert events(page(admin, stored)) == {
        "Attempt 1 failed: KeyError: 'price'": ["SLACK: an order without a price", f"SLACK: {alert_text()}"],
        "Attempt 2 succeeded": [f"REPORT: of {stored.receipt}"],
    }
    assert events(page(admin, other))["Attempt 2 succeeded"] == [f"REPORT: of {other.receipt}"]


def alert_text() -> str:
    """Of the failure group that the payload has begun."""
    return f"demo fails in a new way: KeyError ({FailureGroup.objects.get().place})"


def test_events_that_another_user_forged_are_not(admin: Client, settings: Any) -> None:
    stored = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    told(stored, "of ours")
    assert events(page(admin, stored)) == {FIRST: ["SLACK: of ours"]}
    settings.NOTIFICATIONS_TRUSTED_UIDS = [os.getuid() + 1]
    assert events(page(admin, stored)) == {}


@pytest.mark.parametrize(
    ("kinds", "place", "expected"),
    [
        pytest.param("i", 0, 0, id="nobody knows an attempt"),
        pytest.param("ia", 1, 1, id="in it"),
        pytest.param("ia", 0, 1, id="in a first success, which is known by its end"),
        pytest.param("iapa", 2, 3, id="in a success after a replay"),
        pytest.param("iafpp", 3, 2, id="after a person has acted, and nothing since"),
        pytest.param("ifpf", 1, 1, id="in one that failed"),
    ],
)
def test_an_event_belongs_to_an_attempt(kinds: str, place: int, expected: int) -> None:
    names = {"i": "intake", "a": "attempt", "f": "failed", "p": "person"}
    start = timezone.now()
    steps = [Step(at=start + timedelta(seconds=at), what="", kind=names[kind]) for at, kind in enumerate(kinds)]
    event = Event("SLACK", "x", start + timedelta(seconds=place + 0.5))
    assert [bool(step.events) for step in with_events(steps, [event])].index(True) == expected


def told(stored: RawPayload, text: str) -> None:
    """An event that was emitted while the payload was in hand."""
    process_outbox().write(new_entry("SLACK", text, "", stored.receipt))


def test_no_event_can_run_anything(admin: Client) -> None:
    stored = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    told(stored, EVIL)
    html = page(admin, stored)
    assert "<script>alert" not in html
    assert events(html) == {FIRST: [f"SLACK: {visible(EVIL)}"]}


@pytest.mark.parametrize("count", [OPEN_EVENTS, OPEN_EVENTS + 1])
def test_of_many_events_only_the_number_is_seen_at_once(admin: Client, count: int) -> None:
    stored = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    for number in range(count):
        told(stored, f"number {number}")
    is_open = count <= OPEN_EVENTS
    assert f"<details{' open' * is_open}><summary>{count} events emitted<span" in page(admin, stored)


def test_of_very_many_events_the_last_ones_are_shown(admin: Client) -> None:
    stored = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    for number in range(EVENTS + 1):
        told(stored, f"number {number}")
    html = page(admin, stored)
    assert events(html) == {FIRST: [f"SLACK: number {number}" for number in range(1, EVENTS + 1)]}
    assert f"Only its last {EVENTS} events are shown." in html


def test_a_journal_that_is_not_asked_not_readable_or_late(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def find(*_: str, seconds: float, **__: Any) -> Found:
        asked.append(seconds)
        if error:
            raise error.pop()
        return Found([], whole=seconds > SECONDS)

    error: list[OSError] = []
    monkeypatch.setattr(process_outbox().journal, "find", find)
    page(admin, payload())
    assert asked == [], "it was never in hand"
    stored = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    html = page(admin, stored)
    assert "no time to read the whole journal" in html
    assert '<a href="?events=all">' in html
    html = admin.get(f"{LIST}{stored.pk}/change/?events=all").content.decode()
    assert "This machine's journal has no events of it." in unescape(html)
    assert asked == [SECONDS, PATIENTLY]
    error.append(OSError(5, "journalctl: <b>no</b>"))
    html = page(admin, stored)
    assert "journal cannot be read: journalctl: <b>no</b>" in unescape(html)
    assert "<b>no</b>" not in html


def test_bars_are_within_the_drawing_whatever_the_clocks_say() -> None:
    stored = payload()
    for seconds, took in ((-5.0, 1000.0), (0.5, None), (3600.0, 3_600_000.0), (7200.0, 0.0)):
        attempt = Attempt.objects.create(payload=stored, number=1, outcome=Outcome.FAILED, milliseconds=took)
        at = stored.received_at + timedelta(seconds=seconds)
        Attempt.objects.filter(pk=attempt.pk).update(started_at=None if took is None else at, ended_at=at)
    bars: object = life_of(stored)["bars"]
    assert isinstance(bars, list)
    assert len(bars) == 5
    for bar in bars:
        assert 0 <= bar.wait_x <= bar.x
        assert bar.wait >= 0
        assert bar.x + bar.width <= WIDTH + 0.2


@pytest.mark.parametrize(("attempts", "folded"), [(1, 0), (10, 0), (11, 2), (40, 31)])
def test_of_many_steps_those_between_are_folded(admin: Client, attempts: int, folded: int) -> None:
    stored = payload()
    for number in range(1, attempts + 1):
        Attempt.objects.create(payload=stored, number=number, outcome=Outcome.FAILED, started_at=timezone.now())
    html = page(admin, stored)
    steps = texts(html, "what")
    assert steps == ["Received and stored", *(f"Attempt {number} failed" for number in range(1, attempts + 1))]
    assert (f"<summary>{folded} steps between</summary>" in html) == bool(folded)
    assert ("life-folded" in html) == bool(folded)


def test_the_group_may_be_gone(admin: Client) -> None:
    stored = payload()
    Attempt.objects.create(payload=stored, number=1, outcome=Outcome.FAILED, failure_id=4711)
    assert texts(page(admin, stored), "what")[1] == "Attempt 1 failed"


def test_nothing_runs_and_nobody_sees_a_body_in_it() -> None:
    stored = payload(b"sesame")
    Attempt.objects.create(
        payload=stored,
        number=1,
        outcome=Outcome.FAILED,
        **dict.fromkeys(["traceback", "log", "worker", "release"], EVIL),
    )
    OperatorAction.objects.create(payload=stored, at=timezone.now(), by=EVIL, what=EVIL, note=EVIL)
    html = page(staff("view_rawpayload"), stored)
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;\\u202e") >= 7
    assert "sesame" not in html


def test_it_takes_few_queries_however_many_attempts(admin: Client) -> None:
    def count(stored: RawPayload) -> int:
        with CaptureQueriesContext(connection) as queries:
            page(admin, stored)
        return len(queries)

    few, many = payload(), payload()
    failing = group()
    for stored, attempts in ((few, 1), (many, MOST)):
        for number in range(attempts):
            Attempt.objects.create(payload=stored, number=number, outcome=Outcome.FAILED, failure=failing)
            OperatorAction.objects.create(payload=stored, at=timezone.now(), by="ada", what="replayed")
    count(few)  # content types
    assert count(few) == count(many)
    assert "Only its first attempt and the last ones are kept." in page(admin, many)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 ms"),
        (0.0034, "3.4 ms"),
        (1.25, "1.25 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_spans_are_as_precise_as_people_need(seconds: float, shown: str) -> None:
    assert span(seconds) == shown
