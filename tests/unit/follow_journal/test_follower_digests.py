"""A channel for people: each event at once while it is quiet, one digest when more than a few wait."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import pytest
from django.db import IntegrityError, OperationalError
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import Unavailable, Undeliverable
from notifications.events.channel_entries import parser
from notifications.events.emit import new_entry
from notifications.events.event import Event
from notifications.follow_journal import pending, record_undelivered
from notifications.follow_journal.digest import FEW
from notifications.follow_journal.pace import Pace
from notifications.journal import FileJournal, Journal
from notifications.models import FailedDelivery, Loss, Position
from notifications.positions import saved_position
from notifications.utils.times import OLDEST
from tests.support.tell import Clock, ClosedOnce, FlakyJournal, Follow, ScriptedChannel, key, tell, turn

pytestmark = pytest.mark.django_db(transaction=True)

MANY: Final = 3000


class People(ScriptedChannel):
    """Gets one event at a time, at most one a second after the first two."""

    digests = True
    interval = 1.0
    burst = 2

    def __init__(self, script: Sequence[BaseException | None] = ()) -> None:
        super().__init__("SLACK", script)
        self.counts: list[int] = []

    def deliver(self, events: Sequence[Event]) -> None:
        super().deliver(events)
        (event,) = events
        self.counts.append(event.data.get("digest", {}).get("count", 1))


def numbers(count: int, start: int = 0) -> list[str]:
    return [f"{n}" for n in range(start, start + count)]


def test_a_few_go_one_by_one_in_the_channels_pace(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b", "c")
    channel = People()
    assert turn(follow(channel), clock) == [1.0]  # "c" was the third
    assert channel.delivered == ["a", "b", "c"]
    assert saved_position.find(key()) == "3"


@pytest.mark.parametrize("kind", [ScriptedChannel, People])
def test_a_crash_in_a_delivery_repeats_that_one_alone(
    journal: FlakyJournal, follow: Follow, clock: Clock, kind: type[ScriptedChannel]
) -> None:
    tell(journal, "a", "b", "c")
    crashing = follow(kind(script=[None, KeyboardInterrupt()]))
    with pytest.raises(KeyboardInterrupt):
        turn(crashing, clock)
    crashing.close()
    channel = kind()
    turn(follow(channel), clock)
    assert channel.delivered == ["b", "c"]


def test_many_become_one(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, *numbers(MANY))
    tell(journal, "x", name="OPS")
    channel = People()
    assert turn(follow(channel), clock) == []
    assert channel.counts == [MANY]
    assert channel.delivered[0].split("\n")[0].startswith(f"{MANY} events, ")
    assert saved_position.find(key()) in (f"{MANY}", f"{MANY + 1}")


def test_an_outage_ends_in_one_message(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    channel = People(script=[Unavailable("down")] * 5)
    follower = follow(channel, drain=False)
    tell(journal, "first")
    turn(follower, clock, until=lambda: len(channel.tried) == 2)
    tell(journal, *numbers(50))
    turn(follower, clock, until=lambda: channel.delivered)
    assert channel.counts == [51]
    assert "first" in channel.delivered[0]
    assert saved_position.find(key()) == "51"


def test_what_waits_is_shown_with_the_reason(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    channel = People(script=[Unavailable("Slack limits the rate\x00", retry_after=300)])
    follower = follow(channel, drain=False)
    tell(journal, *numbers(7))
    turn(follower, clock, until=lambda: Position.objects.filter(waiting=7).exists())
    position = Position.objects.get()
    assert "Slack limits the rate" in position.problem
    assert position.next_attempt_at is not None
    turn(follower, clock, until=lambda: channel.delivered)
    assert Position.objects.filter(waiting=0, problem="", next_attempt_at=None).exists()


def test_retry_after_holds_all_that_deliver_there(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    channel = People(script=[Unavailable("limited", retry_after=300)])
    pace = Pace(channel.interval, channel.burst)
    follower = follow(channel, drain=False, pace=pace)
    tell(journal, "a")
    turn(follower, clock, until=lambda: channel.tried)
    assert pace.wait() == pytest.approx(300)
    turn(follower, clock, until=lambda: channel.delivered)
    assert clock.now >= 1300


def test_a_flood_is_one_message_a_second(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    channel = People()
    follower = follow(channel, drain=False)
    started = clock.now
    for n in range(600):  # 20 a second for 30 seconds
        tell(journal, f"{n}")
        clock.now = max(clock.now, started + n / 20)
        while follower.poll() == 0.0:
            pass
    assert len(channel.counts) <= 30 + People.burst
    turn(follower, clock, until=lambda: sum(channel.counts) == 600)


def test_a_digest_has_a_limit(
    journal: FlakyJournal, follow: Follow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MOST", 10)
    tell(journal, *numbers(25))
    channel = People()
    turn(follow(channel), clock)
    assert channel.counts == [10, 10, 5]


# Alerts


def tell_alerts(journal: Journal, *units: str) -> None:
    for unit in units:
        fields = json.dumps({"kind": "unit failure", "alert": True})
        journal.write(journal.encode(new_entry("SLACK", f"Unit {unit} failed", fields)))


def units_in(texts: Sequence[str]) -> list[str]:
    return re.findall(r" Unit (\S+) failed$", "\n".join(texts), re.MULTILINE)


def test_no_alert_is_cut_out_of_a_digest(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    units = [f"shop-{n}.service" for n in range(6)]
    tell(journal, *numbers(50))
    tell_alerts(journal, *units)
    tell(journal, *numbers(50, 50))
    channel = People()
    turn(follow(channel), clock)
    assert channel.counts == [106]
    assert units_in(channel.delivered) == units


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_many_alerts_are_several_messages_with_each_of_them_once(
    kind: str, journal: FlakyJournal, follow: Follow, clock: Clock, tmp_path: Any
) -> None:
    source = journal if kind == "memory" else FileJournal(tmp_path)
    units = [f"shop-{n}-{'x' * 60}.service" for n in range(100)]
    for n, unit in enumerate(units):
        tell_alerts(source, unit)
        tell(source, *numbers(30, 30 * n))
    channel = People()
    follower = follow(channel, source)
    turn(follower, clock)
    follower.close()
    assert len(channel.counts) > 1
    assert sum(channel.counts) == 3100
    assert units_in(channel.delivered) == units
    assert Position.objects.get().waiting == 0
    again = People()
    turn(follow(again, source), clock)
    assert again.delivered == []


def test_a_crash_between_two_of_the_messages_repeats_none(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    units = [f"shop-{n}-{'x' * 60}.service" for n in range(100)]
    tell_alerts(journal, *units)
    first, second = People(script=[None, KeyboardInterrupt()]), People()
    crashing = follow(first)
    with pytest.raises(KeyboardInterrupt):
        turn(crashing, clock)
    crashing.close()
    turn(follow(second), clock)
    assert units_in([*first.delivered, *second.delivered]) == units


def test_each_event_of_a_refused_digest_of_alerts_is_on_record(
    journal: FlakyJournal, follow: Follow, clock: Clock
) -> None:
    units = [f"shop-{n}-{'x' * 60}.service" for n in range(100)]
    tell(journal, *numbers(50))
    tell_alerts(journal, *units)
    channel = People(script=[Undeliverable("channel_not_found"), Undeliverable("channel_not_found")])
    turn(follow(channel), clock)
    refused = list(FailedDelivery.objects.order_by("id").values_list("text", flat=True))
    assert refused[:50] == numbers(50)
    assert [*refused[50:], *(f"Unit {unit} failed" for unit in units_in(channel.delivered))] == [
        f"Unit {unit} failed" for unit in units
    ]


# What is refused for good


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_each_event_of_a_refused_digest_is_on_record(
    kind: str, journal: FlakyJournal, follow: Follow, clock: Clock, tmp_path: Any
) -> None:
    source = journal if kind == "memory" else FileJournal(tmp_path)
    tell(source, *numbers(MANY))
    channel = People(script=[Undeliverable("channel_not_found: invite the bot")])
    follower = follow(channel, source, drain=False)
    turn(follower, clock, until=lambda: FailedDelivery.objects.count() == MANY)
    tell(source, "after")
    turn(follower, clock, until=lambda: channel.delivered)
    assert channel.delivered == ["after"]
    assert list(FailedDelivery.objects.order_by("id").values_list("text", flat=True)) == numbers(MANY)
    assert set(FailedDelivery.objects.values_list("reason", flat=True)) == {"channel_not_found: invite the bot"}


def test_what_comes_while_a_digest_is_refused_is_not_refused_with_it(
    journal: FlakyJournal, follow: Follow, clock: Clock
) -> None:
    class Late(People):
        def deliver(self, events: Sequence[Event]) -> None:
            if not self.tried:
                tell(journal, "late 1", "late 2")
            super().deliver(events)

    tell(journal, *numbers(10))
    channel = Late(script=[Undeliverable("msg_too_long")])
    turn(follow(channel), clock)
    assert channel.delivered == ["late 1", "late 2"]
    assert list(FailedDelivery.objects.order_by("id").values_list("text", flat=True)) == numbers(10)


def test_what_is_told_again_is_on_no_record_twice(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, *numbers(10))
    turn(follow(People(script=[Undeliverable("never")]), since=OLDEST, detached=True), clock)
    assert not FailedDelivery.objects.exists()
    assert not Position.objects.exists()


def test_a_successor_leaves_the_destination_alone_as_long_as_it_asked(
    journal: FlakyJournal, follow: Follow, clock: Clock
) -> None:
    tell(journal, "a")
    first = follow(People(script=[Unavailable("limited", retry_after=300)]), drain=False)
    turn(first, clock, until=lambda: Position.objects.filter(waiting=1).exists())
    first.close()
    channel = People()
    waits = turn(follow(channel), clock)
    assert sum(waits) == pytest.approx(300, abs=10)
    assert channel.delivered == ["a"]


@pytest.mark.parametrize("error", [ValueError("bug"), IntegrityError("bug"), OperationalError("away")])
def test_what_fails_beside_the_events_stops_nothing(
    journal: FlakyJournal, follow: Follow, clock: Clock, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(People):
        def idle(self) -> None:
            raise error

    channel = Failing()
    follower = follow(channel, drain=False)
    turn(follower, clock, until=lambda: clock.now > 1010)
    tell(journal, "a")
    turn(follower, clock, until=lambda: channel.delivered)
    assert 1 <= sum(", while idle" in message for message in caplog.messages) <= 3
    assert bool([record for record in caplog.records if record.exc_info]) == (not isinstance(error, OperationalError))


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 2 * FEW, 2 * FEW + 1])
def test_a_crash_while_they_are_recorded_forgets_none(
    journal: FlakyJournal, follow: Follow, clock: Clock, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(journal, *numbers(count))
    record = record_undelivered.record_failed
    monkeypatch.setattr(record_undelivered, "record_failed", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    crashing = follow(People(script=[Undeliverable("never")]))
    with pytest.raises(KeyboardInterrupt):
        turn(crashing, clock)
    crashing.close()
    assert (saved_position.find(key()), FailedDelivery.objects.count()) == (None, 0)
    monkeypatch.setattr(record_undelivered, "record_failed", record)
    turn(follow(People(script=[Undeliverable("never")] * count)), clock)
    assert sorted(FailedDelivery.objects.values_list("text", flat=True), key=int) == numbers(count)


def test_what_cannot_be_recorded_holds_the_channel(
    journal: FlakyJournal, follow: Follow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, calls = record_undelivered.record_failed, 0

    def away_at_first(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in (2, 3):
            raise OperationalError("away")
        record(*arguments)

    monkeypatch.setattr(record_undelivered, "record_failed", away_at_first)
    tell(journal, *numbers(MANY))
    channel = People(script=[Undeliverable("never")])
    turn(follow(channel), clock)
    assert FailedDelivery.objects.count() == MANY
    assert channel.delivered == []
    assert saved_position.find(key()) == f"{MANY}"


def test_what_was_removed_while_it_was_recorded_is_a_loss(follow: Follow, clock: Clock) -> None:
    small = FlakyJournal(max_entries=MANY)

    class Removing(People):
        def deliver(self, events: Sequence[Event]) -> None:
            if len(self.tried) == 1:
                tell(small, *numbers(10, MANY))
            super().deliver(events)

    channel = Removing(script=[None, *[Undeliverable("never")] * 9])
    follower = follow(channel, small, drain=False)
    tell(small, "first")
    turn(follower, clock, until=lambda: channel.delivered)
    tell(small, *numbers(MANY))
    turn(follower, clock, until=lambda: saved_position.find(key()) == f"{MANY + 11}")
    follower.close()
    assert Loss.objects.count() == 1
    assert FailedDelivery.objects.count() == MANY  # without the oldest, and with the ten newest


@given(
    arrivals=st.lists(st.integers(0, 8), max_size=12),
    script=st.lists(
        st.none() | st.builds(Unavailable, st.just("down")) | st.builds(Undeliverable, st.just("never")), max_size=12
    ),
)
def test_nothing_is_passed_over(clock: Clock, arrivals: list[int], script: list[BaseException | None]) -> None:
    """Whatever arrives when, and whatever fails: each event is delivered, in a digest or on record as failed."""
    Position.objects.all().delete()
    FailedDelivery.objects.all().delete()
    journal, channel, told = FlakyJournal(), People(script), 0
    follower = ClosedOnce(channel, journal, parser("SLACK", text=False), key())
    try:
        for count in arrivals:
            tell(journal, *numbers(count, told))
            told += count
            clock.now += follower.poll() or 0
        turn(follower, clock, until=lambda: sum(channel.counts) + FailedDelivery.objects.count() >= told)
        turn(follower, clock, until=lambda: saved_position.find(key()) == (f"{told}" if told else None))
    finally:
        follower.close()
    assert sum(channel.counts) + FailedDelivery.objects.count() == told
