from datetime import UTC, datetime
from typing import Any, Final

import pytest
from django.db import OperationalError, transaction

from notifications.follow import positions
from notifications.follow.checkpoint import INTERVAL, Checkpoint
from notifications.follow.positions import Key
from notifications.journal import Entry, Gap
from notifications.models import Loss, Position
from tests.support.tell import Clock

pytestmark = pytest.mark.django_db(transaction=True)

KEY: Final = Key("machine", "memory://", "SLACK")
TIME_US: Final = 1_700_000_000_000_000


def entry(number: int) -> Entry:
    return Entry(str(number), TIME_US + number, {})


class Away:
    """The database, as long as `away` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away, self.tries, self._save = True, 0, positions.save
        monkeypatch.setattr(positions, "save", self)

    def __call__(self, *arguments: Any, **options: Any) -> None:
        self.tries += 1
        if self.away:
            raise OperationalError("the database is away")
        self._save(*arguments, **options)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(monkeypatch)


@pytest.fixture
def checkpoint(clock: Clock) -> Checkpoint:
    return Checkpoint(KEY, keep=True)


def test_a_delivery_is_saved_at_once(checkpoint: Checkpoint) -> None:
    checkpoint.delivered(entry(3))
    position = Position.objects.get()
    assert (position.machine, position.journal, position.channel, position.cursor) == (*KEY, "3")
    assert position.entry_time == datetime(2023, 11, 14, 22, 13, 20, 3, tzinfo=UTC)
    assert position.delivered_at is not None
    assert checkpoint.start() == "3"


def test_what_goes_by_is_saved_seldom(checkpoint: Checkpoint, clock: Clock) -> None:
    for number in range(100):
        checkpoint.passed(entry(number))
        checkpoint.save_if_due()
    assert positions.find(KEY) == "0"
    clock.now += INTERVAL
    checkpoint.save_if_due()
    position = Position.objects.get()
    assert (position.cursor, position.delivered_at) == ("99", None)


def test_nothing_is_saved_where_nothing_moved(checkpoint: Checkpoint, away: Away, clock: Clock) -> None:
    clock.now += INTERVAL
    checkpoint.save_if_due()
    checkpoint.close()
    assert away.tries == 0


def test_close_saves_what_went_by(checkpoint: Checkpoint) -> None:
    checkpoint.passed(entry(1))
    checkpoint.save_if_due()
    checkpoint.passed(entry(2))
    checkpoint.close()
    assert positions.find(KEY) == "2"


def test_a_database_that_is_away_is_tried_again(checkpoint: Checkpoint, away: Away, clock: Clock) -> None:
    checkpoint.delivered(entry(1))
    checkpoint.delivered(entry(2))  # is not held up by one more attempt
    assert (away.tries, positions.find(KEY)) == (1, None)
    clock.now += INTERVAL
    checkpoint.delivered(entry(3))
    assert away.tries == 2
    away.away = False
    clock.now += INTERVAL
    checkpoint.save_if_due()
    assert positions.find(KEY) == "3"
    assert Position.objects.get().delivered_at is not None
    checkpoint.delivered(entry(4))
    assert positions.find(KEY) == "4"


def test_gaps_are_recorded_with_the_position_and_once(checkpoint: Checkpoint, away: Away, clock: Clock) -> None:
    checkpoint.note_gap(Gap("1", "vacuum"))
    checkpoint.note_gap(Gap("5", "rotation"))
    checkpoint.delivered(entry(9))
    assert not Loss.objects.exists()
    away.away = False
    clock.now += INTERVAL
    checkpoint.save_if_due()
    checkpoint.note_gap(Gap("1", "vacuum"))
    checkpoint.delivered(entry(10))
    assert sorted(Loss.objects.values_list("channel", "reason", "count")) == [
        ("SLACK", "rotation", None),
        ("SLACK", "vacuum", None),
    ]


def test_a_gap_alone_is_recorded_too(checkpoint: Checkpoint) -> None:
    checkpoint.note_gap(Gap("1", "vacuum\0"))
    checkpoint.save_if_due()
    assert Loss.objects.get().reason == "vacuum\N{REPLACEMENT CHARACTER}"
    assert not Position.objects.exists()


def test_save_is_part_of_the_callers_transaction(checkpoint: Checkpoint) -> None:
    with transaction.atomic():
        checkpoint.save(entry(1), delivered=True)
        assert positions.find(KEY) == "1"
        transaction.set_rollback(True)
    assert positions.find(KEY) is None
    assert not checkpoint.is_saved(entry(1))


def test_without_keep_nothing_is_written(clock: Clock, away: Away) -> None:
    checkpoint = Checkpoint(KEY, keep=False)
    checkpoint.note_gap(Gap("1", "vacuum"))
    checkpoint.delivered(entry(1))
    checkpoint.passed(entry(2))
    clock.now += INTERVAL
    checkpoint.save_if_due()
    checkpoint.close()
    assert away.tries == 0
    assert not Position.objects.exists()
    assert not Loss.objects.exists()


class TestStart:
    """Where a channel begins."""

    def test_at_the_oldest_where_there_is_no_position(self) -> None:
        assert positions.start(KEY) is None

    def test_at_the_youngest_of_the_same_journal(self) -> None:
        for number, channel in ((5, "A"), (7, "B"), (6, "C")):
            positions.save(KEY._replace(channel=channel), str(number), TIME_US + number, delivered=True)
        positions.save(KEY._replace(channel="D", journal="file:///x"), "8", TIME_US + 8, delivered=True)
        positions.save(KEY._replace(channel="E", machine="other"), "9", TIME_US + 9, delivered=True)
        assert positions.start(KEY) == "7"

    def test_and_stays_there_when_the_others_move_on(self) -> None:
        other = KEY._replace(channel="A")
        positions.save(other, "5", TIME_US, delivered=True)
        assert positions.start(KEY) == "5"
        positions.save(other, "6", TIME_US + 1, delivered=True)
        assert positions.start(KEY) == "5"

    def test_a_channel_that_has_read_nothing_is_not_the_youngest(self) -> None:
        assert positions.start(KEY._replace(channel="A")) is None
        positions.save(KEY._replace(channel="B"), "5", TIME_US, delivered=True)
        assert positions.start(KEY) == "5"
