"""The follower: positions move after delivery, order is kept, nothing is passed over that is on no record."""

import logging
import os
from collections.abc import Sequence
from typing import Any, Final

import pytest
from django.db import DataError, InterfaceError, OperationalError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import Unavailable, Undeliverable
from notifications.channels.report import Report
from notifications.events.channel_entries import parser
from notifications.events.event import Event
from notifications.follow_journal import record_undelivered
from notifications.follow_journal.delivery import BUGGY_ATTEMPTS
from notifications.follow_journal.feed import Feed
from notifications.follow_journal.follower import Follower
from notifications.models import FailedDelivery, Loss, Position, ReportRow
from notifications.positions import saved_position
from notifications.positions.lock import AlreadyFollowed
from notifications.signals import event_delivered
from notifications.utils.times import OLDEST
from notifications.workers.outage import LONGEST_BACKOFF
from tests.support.entry_strategies import DATA, MESSAGES, NAMES, VALUES
from tests.support.tell import Clock, FlakyJournal, Follow, ScriptedChannel, key, tell, turn
from tests.support.tell_hostile import AnyJournal

pytestmark = pytest.mark.django_db(transaction=True)

UID: Final = os.getuid()


class Batches(ScriptedChannel):
    batch = 3


class Counting(Report):
    """Reports, with a script of what goes wrong after the counts were added."""

    batch = 2
    name = "REPORT"

    def __init__(self, script: Sequence[BaseException | None] = ()) -> None:
        super().__init__("REPORT")
        self.script = list(script)

    def deliver(self, events: Sequence[Event]) -> None:
        super().deliver(events)
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error


def position(channel: str = "SLACK") -> str | None:
    return saved_position.find(key(channel))


# Positions


def test_delivers_in_order_and_moves_after(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b", "c")
    seen: list[str | None] = []

    class Looking(ScriptedChannel):
        def deliver(self, events: Sequence[Event]) -> None:
            seen.append(position())
            super().deliver(events)

    channel = Looking()
    turn(follow(channel), clock)
    assert channel.delivered == ["a", "b", "c"]
    assert seen == [None, "1", "2"]
    assert position() == "3"


def test_a_restart_goes_on_where_it_stopped(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b")
    turn(first := follow(ScriptedChannel()), clock)
    first.close()
    tell(journal, "c")
    channel = ScriptedChannel()
    turn(follow(channel), clock)
    assert channel.delivered == ["c"]


def test_entries_that_are_no_events_move_the_position(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, *"abc", name="OPS")
    journal.write(journal.encode({"MESSAGE": "SLACK: a plain line"}))
    channel = ScriptedChannel()
    follower = follow(channel)
    turn(follower, clock)
    follower.close()
    assert channel.tried == []
    assert (position(), Position.objects.get().delivered_at) == ("4", None)


def test_new_channels_start_where_others_are(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a")
    turn(follow(ScriptedChannel()), clock)
    tell(journal, "b", name="OPS")
    channel = ScriptedChannel("OPS")
    tell(journal, "c", name="OPS")
    turn(follow(channel), clock)
    assert channel.delivered == ["b", "c"]


def test_batches(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, *"abcde")
    channel = Batches(script=[None, Unavailable("busy")])
    turn(follow(channel), clock)
    assert channel.delivered == list("abcde")
    assert channel.tried == list("abcdede")


def test_a_follower_that_does_not_drain_waits_for_more(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    channel = ScriptedChannel()
    follower = follow(channel, drain=False)
    assert follower.poll() == pytest.approx(0.05)
    tell(journal, "a")
    turn(follower, clock, until=lambda: channel.delivered)
    assert channel.delivered == ["a"]


# What goes wrong


def test_unavailable_is_tried_again_in_order(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b")
    channel = ScriptedChannel(script=[Unavailable("down")] * 12)
    waits = turn(follow(channel), clock)
    assert channel.tried == ["a"] * 13 + ["b"]
    assert channel.delivered == ["a", "b"]
    assert len(waits) == 12
    assert all(0.5 / 2 <= wait <= LONGEST_BACKOFF for wait in waits)
    assert waits[-1] >= LONGEST_BACKOFF / 2
    assert not FailedDelivery.objects.exists()


def test_success_begins_the_backoff_anew(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b")
    down = Unavailable("down")
    waits = turn(follow(ScriptedChannel(script=[*[down] * 9, None, down])), clock)
    assert waits[-1] <= 0.5


def test_retry_after_is_obeyed_in_full(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a")
    channel = ScriptedChannel(script=[Unavailable("limited", retry_after=300)])
    follower = follow(channel)
    assert (follower.poll(), follower.poll()) == (0, 300)
    for _ in range(299):
        clock.now += 1
        assert follower.poll() == pytest.approx(1300 - clock.now)
    assert channel.tried == ["a"]
    clock.now += 1
    turn(follower, clock)
    assert channel.delivered == ["a"]


def test_undeliverable_is_kept_and_the_next_goes_on(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b")
    channel = ScriptedChannel(script=[Undeliverable("no such channel: invite the bot")])
    assert turn(follow(channel), clock) == []
    assert channel.delivered == ["b"]
    failed = FailedDelivery.objects.get()
    assert (failed.channel, failed.text, failed.event_id) == ("SLACK", "a", "t:a")
    assert failed.reason == "no such channel: invite the bot"


def test_a_bug_is_tried_often_then_kept_with_its_traceback(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b")
    channel = ScriptedChannel(script=[ZeroDivisionError("oops")] * BUGGY_ATTEMPTS)
    turn(follow(channel), clock)
    assert channel.tried == ["a"] * BUGGY_ATTEMPTS + ["b"]
    assert channel.delivered == ["b"]
    reason = FailedDelivery.objects.get().reason
    assert reason.startswith("Traceback")
    assert "ZeroDivisionError: oops" in reason


def test_a_channel_that_leaves_a_transaction_open_or_its_time_zone(
    journal: FlakyJournal, follow: Follow, clock: Clock
) -> None:
    class Leaving(ScriptedChannel):
        def deliver(self, events: Sequence[Event]) -> None:
            super().deliver(events)
            timezone.activate("Asia/Kolkata")
            if len(self.delivered) == 1:
                transaction.get_connection().connection.execute("BEGIN")

    tell(journal, "a", "b")
    before = timezone.get_current_timezone()
    channel = Leaving()
    turn(follow(channel), clock)
    assert channel.delivered == ["a", "a", "b"]
    assert position() == "2"
    assert timezone.get_current_timezone() is before
    assert not transaction.get_connection().connection.in_transaction


def test_outages_before_a_bug_do_not_count_as_attempts(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a")
    outage = [Unavailable("down")] * BUGGY_ATTEMPTS * 2
    channel = ScriptedChannel(script=[*outage, *[ZeroDivisionError()] * (BUGGY_ATTEMPTS - 1)])
    turn(follow(channel), clock)
    assert channel.delivered == ["a"]
    assert not FailedDelivery.objects.exists()


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_channel_without_its_database_waits(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    error: Exception,
) -> None:
    tell(journal, "a")
    channel = ScriptedChannel(script=[error] * BUGGY_ATTEMPTS * 3)
    turn(follow(channel), clock)
    assert channel.delivered == ["a"]


def test_data_that_the_database_refuses_holds_nobody_up(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    tell(journal, "a", "b")
    channel = ScriptedChannel(script=[DataError("out of range")] * BUGGY_ATTEMPTS)
    turn(follow(channel), clock)
    assert channel.delivered == ["b"]
    assert "out of range" in FailedDelivery.objects.get().reason


def test_what_is_on_no_record_is_not_passed_over(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(journal, "a", "b")
    channel = ScriptedChannel(script=[Undeliverable("never")] * 4)
    record, failures = record_undelivered.record_failed, [OperationalError("away")] * 3

    def fail(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        record(*arguments)

    monkeypatch.setattr(record_undelivered, "record_failed", fail)
    assert len(turn(follow(channel), clock)) == 3
    assert channel.tried == ["a"] * 4 + ["b"]
    assert FailedDelivery.objects.get().text == "a"


def test_a_failed_delivery_and_the_position_are_one_transaction(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(journal, "a")

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    follower = follow(ScriptedChannel(script=[Undeliverable("never")]))
    with monkeypatch.context() as patch:
        patch.setattr(saved_position, "save", die)
        with pytest.raises(KeyboardInterrupt):
            turn(follower, clock)
    assert (FailedDelivery.objects.count(), position()) == (0, None)


def test_the_log_forges_no_event(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its lines may come back through the journal, where "SLACK: …" is a text event."""
    tell(journal, "a", "b")
    script = [Unavailable("x"), ZeroDivisionError("x"), Undeliverable("x")]
    with caplog.at_level(logging.DEBUG):
        turn(follow(ScriptedChannel(script=script)), clock)
    assert len(caplog.messages) >= 4
    assert [text for text in caplog.messages if text.startswith("SLACK: ")] == []


# The database


def test_without_the_database_deliveries_go_on(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(journal, *"abcdef")
    channel = ScriptedChannel()
    follower = follow(channel, drain=False)
    with monkeypatch.context() as patch:
        patch.setattr(saved_position, "save", away)
        turn(follower, clock, until=lambda: len(channel.delivered) == 6)
        assert position() is None
    clock.now += 10
    follower.poll()
    assert position() == "6"
    assert channel.tried == list("abcdef")


def away(*_: Any, **__: Any) -> None:
    raise OperationalError("the database is away")


def test_the_database_away_at_the_start_frees_the_lock(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(saved_position, "start", away)
        with pytest.raises(OperationalError):
            follow(ScriptedChannel())
    follow(ScriptedChannel())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Unavailable("x"), OperationalError("x"), ZeroDivisionError()])
def test_counts_and_position_are_one_transaction(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    error: BaseException,
) -> None:
    tell(journal, *"aabc", name="REPORT")
    follower = follow(Counting([None, error]))
    try:
        assert follower.poll() == 0
        follower.poll()
    except KeyboardInterrupt:
        pass
    assert counts() == {"a": 2}
    assert position("REPORT") == "2"
    follower.close()
    turn(follow(Counting()), clock)
    assert counts() == {"a": 2, "b": 1, "c": 1}
    assert position("REPORT") == "4"


def counts() -> dict[str, int]:
    return dict(ReportRow.objects.values_list("name", "count"))


@pytest.mark.parametrize("error", [OperationalError("the answer was lost"), ZeroDivisionError()])
def test_a_commit_whose_answer_was_lost_is_not_done_again(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    error: Exception,
) -> None:
    class Lost(Counting):
        def deliver(self, events: Sequence[Event]) -> None:
            super().deliver(events)
            transaction.on_commit(self.lose)

        def lose(self) -> None:
            if len(answers) < 2:
                answers.append(None)
                raise error

    answers: list[None] = []
    tell(journal, *"abc", name="REPORT")
    turn(follow(Lost()), clock)
    assert len(answers) == 2
    assert counts() == {"a": 1, "b": 1, "c": 1}
    assert not FailedDelivery.objects.exists()


class LostOnce(Counting):
    """Its first commit comes through, and the answer is lost."""

    batch = 10
    lost = False

    def deliver(self, events: Sequence[Event]) -> None:
        super().deliver(events)
        transaction.on_commit(self.lose)

    def lose(self) -> None:
        if not self.lost:
            self.lost = True
            raise OperationalError("the answer was lost")


def test_what_comes_after_a_commit_whose_answer_was_lost_waits_until_that_is_known(
    journal: FlakyJournal, follow: Follow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Feed, "fileno", lambda _: 99)
    tell(journal, "a", name="REPORT")
    follower = follow(LostOnce())
    turn(follower, clock, until=counts)
    tell(journal, "b", name="REPORT")
    assert follower.fileno() is None  # or the loop would turn without a pause
    turn(follower, clock)
    assert counts() == {"a": 1, "b": 1}
    assert follower.fileno() == 99


def test_a_position_in_doubt_is_not_moved_back(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    """By what went by before, which is not saved each time."""
    follower = follow(LostOnce(), drain=False)
    for text in "xy":
        tell(journal, text)  # another channel's
        follower.poll()
    tell(journal, "a", name="REPORT")
    turn(follower, clock, until=counts)
    assert position("REPORT") == "3"
    follower.close()
    turn(follow(Counting()), clock)
    assert counts() == {"a": 1}


def test_a_transactional_channel_that_refuses_leaves_nothing(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
) -> None:
    tell(journal, *"abc", name="REPORT")
    turn(follow(Counting([Undeliverable("never")])), clock)
    assert counts() == {"c": 1}
    assert sorted(FailedDelivery.objects.values_list("text", flat=True)) == ["a", "b"]


# One follower for each key


def test_a_second_follower_is_refused_and_told_whose_it_is(follow: Follow) -> None:
    first = follow(ScriptedChannel())
    with pytest.raises(AlreadyFollowed, match=rf"SLACK is followed already, by process {os.getpid()}\. Stop that"):
        follow(ScriptedChannel())
    follow(ScriptedChannel("OPS"))
    first.close()
    follow(ScriptedChannel())


@pytest.mark.parametrize("options", [{"since": OLDEST}, {}])
def test_detached_touches_no_position(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    options: dict[str, Any],
) -> None:
    tell(journal, *"ab")
    turn(follow(ScriptedChannel()), clock)
    before = list(Position.objects.values())
    tell(journal, "c")
    channel = ScriptedChannel()
    detached = follow(channel, detached=True, **options)
    turn(detached, clock)
    detached.close()
    assert channel.delivered == (["a", "b", "c"] if options else ["c"])
    assert list(Position.objects.values()) == before


def test_detached_needs_no_database_to_go_on(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell(journal, *"ab")
    monkeypatch.setattr(saved_position, "save", away)
    monkeypatch.setattr(transaction, "atomic", away)
    channel = ScriptedChannel()
    turn(follow(channel, detached=True, since=OLDEST), clock)
    assert channel.delivered == ["a", "b"]
    assert caplog.messages == []


# The journal


def test_a_gap_becomes_a_loss(follow: Follow, clock: Clock) -> None:
    small = FlakyJournal(max_entries=2)
    channel = ScriptedChannel()
    parse = parser("SLACK", text=False)
    follower = Follower(channel, small, parse, key("GAP"), drain=False)
    tell(small, "a")
    turn(follower, clock, until=lambda: channel.delivered)
    tell(small, *"bcdef")
    turn(follower, clock, until=lambda: len(channel.delivered) == 3)
    follower.close()
    assert channel.delivered == ["a", "e", "f"]
    loss = Loss.objects.get()
    assert (loss.channel, loss.count) == ("GAP", 3)
    assert "removed before they were read" in loss.reason


def test_a_position_that_cannot_be_read_starts_at_the_oldest_with_a_loss(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
) -> None:
    tell(journal, "a")
    saved_position.save(key(), "garbage\N{SNOWMAN}", 1, delivered=True)
    channel = ScriptedChannel()
    turn(follow(channel), clock)
    assert channel.delivered == ["a"]
    assert position() == "1"
    assert "cannot be read" in Loss.objects.get().reason


def test_a_journal_that_cannot_be_read_is_tried_again(
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(journal, "a")
    opened, failures = journal.open, [PermissionError("not yours")] * 3

    def fail(**options: Any) -> Any:
        if failures:
            raise failures.pop()
        return opened(**options)

    monkeypatch.setattr(journal, "open", fail)
    channel = ScriptedChannel()
    assert len(turn(follow(channel), clock)) == 3
    assert channel.delivered == ["a"]


# Plain lines


def test_plain_lines_are_of_an_unknown_author(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    class Seeing(ScriptedChannel):
        def deliver(self, events: Sequence[Event]) -> None:
            known.extend(event.author_known for event in events)
            super().deliver(events)

    known: list[bool] = []

    journal.write(journal.encode({"MESSAGE": "SLACK: disk full"}))
    journal.write(journal.encode({"MESSAGE": "OPS: disk full"}))
    tell(journal, "an event")
    channel = Seeing()
    turn(follow(channel, text=True), clock)
    assert (channel.delivered, known) == (["disk full"], [False])


# Signals


def test_what_was_delivered_is_told_and_receivers_may_fail(journal: FlakyJournal, follow: Follow, clock: Clock) -> None:
    told: list[str] = []

    def receive(*, channel: str, event: Event, milliseconds: float, **_: Any) -> None:
        told.append(f"{channel} {event.text}")
        assert milliseconds >= 0
        raise ZeroDivisionError

    tell(journal, "a", "b", "c")
    channel = ScriptedChannel(script=[None, Undeliverable("never")])
    event_delivered.connect(receive)
    try:
        turn(follow(channel), clock)
    finally:
        event_delivered.disconnect(receive)
    assert told == ["SLACK a", "SLACK c"]
    assert channel.delivered == ["a", "c"]


def test_close_closes_the_channel(follow: Follow) -> None:
    channel = ScriptedChannel()
    follow(channel).close()
    assert channel.closed


# Anything


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "MESSAGE": MESSAGES,
        "PROPPY_EVENT": NAMES,
        "PROPPY_DATA": DATA,
        "PROPPY_ID": VALUES,
        "_UID": st.sampled_from([str(UID), "99", [str(UID)]]) | VALUES,
    },
)


@given(entries=st.lists(FIELDS, max_size=5), refuses=st.booleans())
def test_any_entries(clock: Clock, entries: list[dict[str, object]], refuses: bool) -> None:
    """Whatever is in them, also as failed deliveries, only the events of trusted users come through."""
    Position.objects.all().delete()
    FailedDelivery.objects.all().delete()
    channel = ScriptedChannel(script=[Undeliverable("never")] * len(entries) if refuses else [])
    journal, parse = AnyJournal(), parser("SLACK", text=False)
    for fields in entries:
        journal.put(fields)
    follower = Follower(channel, journal, parse, key("ANY"), drain=True)
    try:
        turn(follower, clock)
    finally:
        follower.close()
    genuine = [each for each in entries if each.get("PROPPY_EVENT") == "SLACK" and each.get("_UID") == str(UID)]
    assert len(channel.tried) <= len(genuine)
    assert FailedDelivery.objects.count() == (len(channel.tried) if refuses else 0)
    assert position("ANY") == (str(len(entries)) if entries else None)
