"""Failed deliveries that are sent again: once, in order, in the channel's pace, whatever goes wrong meanwhile."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.channels.report import Report
from notifications.channels.slack import Slack
from notifications.events.event import Event
from notifications.follow_journal import failed_claims, resend
from notifications.follow_journal.delivery import BUGGY_ATTEMPTS
from notifications.follow_journal.failed_claims import LEASE
from notifications.follow_journal.pace import Pace
from notifications.follow_journal.resend import INTERVAL, Resender
from notifications.models import FailedDelivery, ReportRow
from notifications.signals import event_delivered
from tests.support.slack import FakeSlack, RateLimited
from tests.support.tell import Clock, ScriptedChannel
from tests.support.threads import in_threads

pytestmark = pytest.mark.usefixtures("sqlite_file")

NOON: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
Make = Callable[..., Resender]


class Wall:
    """The time of day goes with the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._clock.now)


class Digesting(ScriptedChannel):
    digests = True
    interval = 1.0


class Killed(BaseException):
    """The end of the process, as far as its finally clauses go."""


@pytest.fixture
def wall(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall(clock)
    monkeypatch.setattr(resend, "time", clock)
    for module in (resend, failed_claims):
        monkeypatch.setattr(module, "utc_now", wall.now)
    return wall


@pytest.fixture
def make(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the worker for these channels."""
    made: list[Resender] = []

    def make(*channels: Channel, drain: bool = False, **shared: Pace) -> Resender:
        monkeypatch.setattr(resend, "make_channel", {channel.name: channel for channel in channels}.__getitem__)
        names = [channel.name for channel in channels]
        paces = {channel.name: Pace(channel.interval, channel.burst) for channel in channels} | shared
        made.append(Resender(names, paces.__getitem__, drain=drain))
        return made[-1]

    yield make
    for resender in made:
        resender.close()


def fail(wall: Wall, *texts: str, channel: str = "SLACK", asked: bool = True, **columns: Any) -> list[FailedDelivery]:
    """Failed deliveries; `asked`: somebody wants them sent again."""
    again_at = wall.now() if asked else None
    values = {"channel": channel, "event_time": NOON, "reason": "no such channel", "again_at": again_at, **columns}
    return [FailedDelivery.objects.create(text=text, **values) for text in texts]


def drain(worker: Resender, clock: Clock, *, seconds: float = 0.0) -> list[float]:
    """Turn until nothing is due, and on for so many seconds of the clock; the waits that were asked for."""
    end = clock.now + seconds
    waits: list[float] = []
    for _ in range(1000):
        delay = worker.poll()
        if delay is None or (delay == INTERVAL and clock.now >= end):
            return waits
        if delay:
            waits.append(delay)
            clock.now += delay
    raise AssertionError(f"not done; waits {waits[-5:]}")


def texts() -> list[str]:
    return list(FailedDelivery.objects.order_by("pk").values_list("text", flat=True))


class Seen(ScriptedChannel):
    """Keeps the events, too."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def deliver(self, events: Sequence[Event]) -> None:
        super().deliver(events)
        self.events += events


def test_what_was_asked_for_is_sent_as_it_was_and_then_gone(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "Ada", event_id="t:7", data={"user": 7}, author_known=False)
    fail(wall, "not yet", again_at=wall.now() + timedelta(seconds=90))
    fail(wall, "nobody asked", asked=False)
    channel = Seen()

    drain(make(channel), clock)

    assert channel.events == [Event("SLACK", "Ada", NOON, {"user": 7}, "t:7", author_known=False)]
    assert texts() == ["not yet", "nobody asked"]


def test_the_oldest_first_whoever_was_asked_for_first(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "a", "b")
    FailedDelivery.objects.filter(text="a").update(again_at=wall.now())
    FailedDelivery.objects.filter(text="b").update(again_at=wall.now() - timedelta(hours=1))
    channel = ScriptedChannel()
    drain(make(channel), clock)
    assert channel.delivered == ["a", "b"]


def test_nothing_due_is_looked_for_every_two_seconds(
    make: Make, clock: Clock, django_assert_num_queries: Any, wall: Wall
) -> None:
    worker = make(ScriptedChannel())
    with django_assert_num_queries(1):
        assert worker.poll() == INTERVAL
        clock.now += INTERVAL - 0.5
        assert worker.poll() == pytest.approx(0.5)
    fail(wall, "a")
    clock.now += 0.5
    assert worker.poll() == 0


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plan depends on how much there is")
def test_looking_for_what_is_due_reads_a_small_index() -> None:
    plan = FailedDelivery.objects.filter(again_at__lte=timezone.now()).values("pk")[:1].explain()
    assert "failed_again" in plan
    assert "SCAN" not in plan


def test_drain_is_done_when_nothing_is_due_for_its_channels(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "a")
    fail(wall, "of a channel that was removed", channel="OLD")
    worker = make(ScriptedChannel(), drain=True)
    drain(worker, clock)
    assert worker.poll() is None
    assert texts() == ["of a channel that was removed"]


def test_each_turn_is_one_message_and_the_channels_take_turns(make: Make, wall: Wall) -> None:
    fail(wall, "a", "b")
    fail(wall, "c", channel="OPS")
    first, second = ScriptedChannel(), ScriptedChannel("OPS")
    worker = make(first, second)
    seen = []
    for _ in range(3):
        assert worker.poll() == 0
        seen.append((list(first.delivered), list(second.delivered)))
    assert seen == [(["a"], []), (["a"], ["c"]), (["a", "b"], ["c"])]


# Digests


def test_a_few_go_singly_and_more_become_one_digest(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "a", "b", "c")
    channel = Digesting()
    worker = make(channel)
    waits = drain(worker, clock)
    assert channel.delivered == ["a", "b", "c"]
    assert waits == pytest.approx([1.0, 1.0])

    fail(wall, *(f"event {number}" for number in range(40)), data={"kind": "sign-up"})
    clock.now += INTERVAL
    drain(worker, clock)
    (digest,) = channel.delivered[3:]
    assert digest.startswith("40 sign-ups, ")
    assert "event 0" in digest
    assert "event 39" in digest
    assert "event 20" not in digest
    assert texts() == []


def test_alerts_that_are_sent_again_are_all_named(make: Make, wall: Wall, clock: Clock) -> None:
    units = [f"Unit {number}-{'x' * 60}.service failed" for number in range(60)]
    fail(wall, *(f"event {number}" for number in range(20)))
    fail(wall, *units, data={"kind": "unit failure", "alert": True})
    channel = Digesting()
    drain(make(channel), clock)
    assert len(channel.delivered) > 1
    shown = "\n".join(channel.delivered)
    assert [unit for unit in units if shown.count(unit) != 1] == []
    assert texts() == []


def test_a_digest_that_is_refused_again_is_still_all_its_rows(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, *"abcde")
    drain(make(Digesting(script=[Undeliverable("is_archived: unarchive it")])), clock)
    rows = FailedDelivery.objects.order_by("pk")
    assert texts() == list("abcde")
    assert {(row.reason, row.again_at) for row in rows} == {("is_archived: unarchive it", None)}


def test_a_digest_stands_for_so_many_rows_at_most(
    make: Make, wall: Wall, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_claims, "MOST", 10)
    fail(wall, *(f"event {number}" for number in range(25)))
    channel = Digesting()
    drain(make(channel), clock)
    assert [text.partition(",")[0] for text in channel.delivered] == ["10 events", "10 events", "5 events"]


@pytest.mark.slow
def test_ten_thousand_rows_are_one_digest(make: Make, wall: Wall, clock: Clock) -> None:
    row = {"channel": "SLACK", "event_time": NOON, "reason": "x", "again_at": wall.now()}
    FailedDelivery.objects.bulk_create(
        FailedDelivery(text=f"event {number}", **row) for number in range(failed_claims.MOST)
    )
    channel = Digesting()
    drain(make(channel), clock)
    assert [text.partition(",")[0] for text in channel.delivered] == ["10000 events"]
    assert not FailedDelivery.objects.exists()


def test_a_channel_without_digests_gets_each_one(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, *"abcdef")
    channel = ScriptedChannel()
    drain(make(channel), clock)
    assert channel.delivered == list("abcdef")


def test_receivers_hear_of_each_delivery(make: Make, wall: Wall, clock: Clock) -> None:
    heard: list[tuple[str, str]] = []

    def receive(channel: str, event: Event, **_: Any) -> None:
        heard.append((channel, event.text))

    event_delivered.connect(receive)
    try:
        fail(wall, "a")
        drain(make(ScriptedChannel()), clock)
    finally:
        event_delivered.disconnect(receive)
    assert heard == [("SLACK", "a")]


# What goes wrong


def test_refused_again_it_has_the_new_reason_and_waits_for_nobody(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "a", "b")
    channel = ScriptedChannel(script=[Undeliverable("is_archived:\0 unarchive it")])
    drain(make(channel), clock)
    row = FailedDelivery.objects.get()
    assert (row.text, row.reason, row.again_at) == ("a", "is_archived:\ufffd unarchive it", None)
    assert channel.delivered == ["b"]


def test_an_outage_is_waited_for_in_order_while_others_go_on(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "a", "b")
    fail(wall, "c", channel="OPS")
    down, up = ScriptedChannel(script=[Unavailable("down")] * 3), ScriptedChannel("OPS")
    worker = make(down, up)

    assert [worker.poll(), worker.poll()] == [0, 0]
    assert up.delivered == ["c"]
    first = FailedDelivery.objects.order_by("pk")[0]
    assert first.reason == "no such channel"
    assert first.again_at is not None
    assert wall.now() <= first.again_at <= wall.now() + timedelta(seconds=0.5)

    drain(worker, clock, seconds=20)
    assert (down.tried, down.delivered) == (["a", "a", "a", "a", "b"], ["a", "b"])
    assert texts() == []


def test_retry_after_is_obeyed_in_full_and_by_the_followers_too(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "a")
    fail(wall, "c", channel="OPS")
    pace = Pace(0)
    channel = ScriptedChannel(script=[Unavailable("slowly", retry_after=90.0)])
    worker = make(channel, ScriptedChannel("OPS"), SLACK=pace)
    worker.poll()
    assert pace.wait() == 90.0
    again_at = FailedDelivery.objects.get(text="a").again_at
    assert again_at == wall.now() + timedelta(seconds=90)
    drain(worker, clock)
    clock.now += 89.9
    drain(worker, clock)
    assert channel.tried == ["a"]
    clock.now += 2.1
    drain(worker, clock)
    assert channel.delivered == ["a"]


def test_a_channel_with_a_bug_gets_eight_tries_and_the_row_its_traceback(
    make: Make, wall: Wall, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(wall, "a", "b")
    channel = ScriptedChannel(script=[ArithmeticError("0 is no number")] * BUGGY_ATTEMPTS)
    with caplog.at_level(logging.ERROR):
        drain(make(channel), clock, seconds=600)
    row = FailedDelivery.objects.get()
    assert (row.text, row.again_at) == ("a", None)
    assert row.reason.startswith("Traceback")
    assert "0 is no number" in row.reason
    assert channel.tried == ["a"] * BUGGY_ATTEMPTS + ["b"]
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_crash_after_the_delivery_repeats_that_message_alone_and_not_before_its_time(
    make: Make, wall: Wall, clock: Clock
) -> None:
    def die(execute: Any, statement: str, *arguments: Any) -> Any:
        if statement.startswith("DELETE"):
            raise Killed
        return execute(statement, *arguments)

    fail(wall, "a", "b", "c")
    channel = ScriptedChannel()
    with connection.execute_wrapper(die), pytest.raises(Killed):
        drain(make(channel), clock)
    after = make(channel)
    drain(after, clock)
    assert channel.delivered == ["a", "b", "c"]
    clock.now += LEASE.total_seconds()
    drain(after, clock)
    assert channel.delivered == ["a", "b", "c", "a"]
    assert texts() == []


class Away:
    """The database is away while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        if self.is_on:
            raise OperationalError("the server is away")
        return execute(*arguments)


def test_a_database_that_is_away_costs_a_pause_and_is_told_once(
    make: Make, wall: Wall, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(wall, "a")
    channel, away = ScriptedChannel(), Away()
    worker = make(channel)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with connection.execute_wrapper(away):
                away.is_on = True
                pause = worker.poll()
            assert pause
            clock.now += pause
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "failed deliveries: the database is away: the server is away"
    ]
    drain(worker, clock)
    assert channel.delivered == ["a"]


def test_what_was_delivered_while_the_database_went_away_is_not_sent_twice(
    make: Make, wall: Wall, clock: Clock
) -> None:
    fail(wall, "a", "b")
    away = Away()

    class GoesAway(ScriptedChannel):
        def deliver(self, events: Sequence[Event]) -> None:
            super().deliver(events)
            away.is_on = True

    channel = GoesAway()
    worker = make(channel)
    with connection.execute_wrapper(away):
        pause = worker.poll()
    assert pause
    assert channel.delivered == ["a"]
    assert texts() == ["a", "b"]
    away.is_on = False
    clock.now += pause + LEASE.total_seconds()
    drain(worker, clock)
    assert channel.delivered == ["a", "b"]
    assert texts() == []


# Effects in the database happen once


class Counting(Report):
    """Reports, with a script of what goes wrong after the counts were added."""

    def __init__(self, *script: BaseException) -> None:
        super().__init__("REPORT")
        self.script = list(script)

    def deliver(self, events: Sequence[Event]) -> None:
        super().deliver(events)
        if self.script:
            raise self.script.pop(0)


@pytest.mark.parametrize("wrong", [Unavailable("x"), OperationalError("x"), ArithmeticError("x")])
def test_counts_and_rows_change_together(make: Make, wall: Wall, clock: Clock, wrong: BaseException) -> None:
    fail(wall, "sign-up", channel="REPORT")
    drain(make(Counting(wrong)), clock, seconds=10)
    assert ReportRow.objects.get().count == 1
    assert not FailedDelivery.objects.exists()


def test_a_crash_of_a_transactional_channel_counts_nothing_twice(make: Make, wall: Wall, clock: Clock) -> None:
    fail(wall, "sign-up", channel="REPORT")
    with pytest.raises(Killed):
        drain(make(Counting(Killed())), clock)
    clock.now += LEASE.total_seconds()
    drain(make(Counting()), clock)
    assert ReportRow.objects.get().count == 1
    assert not FailedDelivery.objects.exists()


def test_a_claim_that_ran_out_and_was_worked_off_by_another_counts_nothing_twice(
    make: Make, wall: Wall, clock: Clock
) -> None:
    class Slow(Pace):
        """Between a claim and its delivery."""

        def take(self) -> None:
            clock.now += LEASE.total_seconds()
            drain(other, clock)
            assert ReportRow.objects.get().count == 1

    fail(wall, "sign-up", channel="REPORT")
    slow, other = make(Counting(), REPORT=Slow(0)), make(Counting())
    drain(slow, clock)
    assert ReportRow.objects.get().count == 1


def test_of_several_machines_one_gets_each_row(wall: Wall) -> None:
    fail(wall, *(str(number) for number in range(30)), channel="OPS")
    fail(wall, *(str(number) for number in range(30)), channel="SLACK")

    def machine(_: int) -> list[int]:
        names = ["OPS", "SLACK"] * 40
        claims = (failed_claims.claim(name, digests=name == "SLACK") for name in names)
        return [pk for claim in claims if claim for pk in claim.pks]

    got = [pk for pks in in_threads(4, machine) for pk in pks]
    assert sorted(got) == list(FailedDelivery.objects.order_by("pk").values_list("pk", flat=True))


# Slack


def test_slack_over_http(make: Make, wall: Wall, clock: Clock, slack: FakeSlack) -> None:
    fail(wall, "<!channel>", author_known=False)
    slack.answers(RateLimited(7), 503, "reset", {"ok": False, "error": "is_archived"})
    channel = Slack("SLACK", token=slack.token, api_url=slack.url)
    worker = make(channel)

    drain(worker, clock)
    assert len(slack.requests) == 1
    drain(worker, clock, seconds=6)
    assert len(slack.requests) == 1
    drain(worker, clock, seconds=30)
    row = FailedDelivery.objects.get()
    assert row.again_at is None
    assert row.reason.startswith("is_archived: ")
    assert len(slack.requests) == 4

    FailedDelivery.objects.update(again_at=wall.now())
    clock.now += INTERVAL
    drain(worker, clock)
    assert [message["text"] for message in slack.messages] == ["(unknown author) &lt;!channel&gt;"]
    assert not FailedDelivery.objects.exists()


def test_closes_its_channels(make: Make) -> None:
    channels = [ScriptedChannel(), ScriptedChannel("OPS")]
    make(*channels).close()
    assert [channel.closed for channel in channels] == [True, True]
