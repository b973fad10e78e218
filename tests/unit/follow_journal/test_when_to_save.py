from datetime import UTC, datetime
from typing import Any, Final

import pytest
from django.db import OperationalError, transaction

from notifications.follow_journal.when_to_save import INTERVAL, LONGEST_PAUSE, PositionSaver
from notifications.journal import Entry, Gap
from notifications.models import Loss, Position
from notifications.positions import saved_position
from notifications.positions.key import Key
from tests.support.tell import Clock

pytestmark = pytest.mark.django_db(transaction=True)

KEY: Final = Key("machine", "memory://", "SLACK")
TIME_US: Final = 1_700_000_000_000_000


def entry(number: int) -> Entry:
    return Entry(str(number), TIME_US + number, {})


class Away:
    """The database, as long as `away` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away, self.tries, self._save = True, 0, saved_position.save
        monkeypatch.setattr(saved_position, "save", self)

    def __call__(self, *arguments: Any, **options: Any) -> None:
        self.tries += 1
        if self.away:
            raise OperationalError("the database is away")
        self._save(*arguments, **options)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(monkeypatch)


@pytest.fixture
def saver(clock: Clock) -> PositionSaver:
    return PositionSaver(KEY, keep=True)


def test_a_delivery_is_saved_at_once(saver: PositionSaver) -> None:
    saver.delivered(entry(3))
    position = Position.objects.get()
    assert (position.machine, position.journal, position.channel, position.cursor) == (*KEY, "3")
    assert position.entry_time == datetime(2023, 11, 14, 22, 13, 20, 3, tzinfo=UTC)
    assert position.delivered_at is not None
    assert saver.start() == "3"


def test_what_goes_by_is_saved_seldom(saver: PositionSaver, clock: Clock) -> None:
    for number in range(100):
        saver.passed(entry(number))
        saver.save_if_due()
    assert saved_position.find(KEY) == "0"
    clock.now += INTERVAL
    saver.save_if_due()
    position = Position.objects.get()
    assert (position.cursor, position.delivered_at) == ("99", None)


def test_nothing_is_saved_where_nothing_moved(saver: PositionSaver, away: Away, clock: Clock) -> None:
    clock.now += INTERVAL
    saver.save_if_due()
    saver.close()
    assert away.tries == 0


def test_close_saves_what_went_by(saver: PositionSaver) -> None:
    saver.passed(entry(1))
    saver.save_if_due()
    saver.passed(entry(2))
    saver.close()
    assert saved_position.find(KEY) == "2"


def test_a_database_that_is_away_is_tried_again(saver: PositionSaver, away: Away, clock: Clock) -> None:
    saver.delivered(entry(1))
    saver.delivered(entry(2))  # is not held up by one more attempt
    assert (away.tries, saved_position.find(KEY)) == (1, None)
    clock.now += LONGEST_PAUSE
    saver.delivered(entry(3))
    assert away.tries == 2
    away.away = False
    clock.now += LONGEST_PAUSE
    saver.save_if_due()
    assert saved_position.find(KEY) == "3"
    assert Position.objects.get().delivered_at is not None
    saver.delivered(entry(4))
    assert saved_position.find(KEY) == "4"


def test_gaps_are_recorded_with_the_position_and_once(saver: PositionSaver, away: Away, clock: Clock) -> None:
    saver.note_gap(Gap("1", "vacuum"))
    saver.note_gap(Gap("5", "rotation"))
    saver.delivered(entry(9))
    assert not Loss.objects.exists()
    away.away = False
    clock.now += INTERVAL
    saver.save_if_due()
    saver.note_gap(Gap("1", "vacuum"))
    saver.delivered(entry(10))
    assert sorted(Loss.objects.values_list("channel", "reason", "count")) == [
        ("SLACK", "rotation", None),
        ("SLACK", "vacuum", None),
    ]


def test_a_gap_alone_is_recorded_too(saver: PositionSaver) -> None:
    saver.note_gap(Gap("1", "vacuum\0"))
    saver.save_if_due()
    assert Loss.objects.get().reason == "vacuum\N{REPLACEMENT CHARACTER}"
    assert not Position.objects.exists()


def test_save_is_part_of_the_callers_transaction(saver: PositionSaver) -> None:
    with transaction.atomic():
        saver.save(entry(1), delivered=True)
        assert saved_position.find(KEY) == "1"
        transaction.set_rollback(True)
    assert saved_position.find(KEY) is None
    assert not saver.is_saved(entry(1))


def test_without_keep_nothing_is_written(clock: Clock, away: Away) -> None:
    saver = PositionSaver(KEY, keep=False)
    saver.note_gap(Gap("1", "vacuum"))
    saver.delivered(entry(1))
    saver.passed(entry(2))
    clock.now += INTERVAL
    saver.save_if_due()
    saver.close()
    assert away.tries == 0
    assert not Position.objects.exists()
    assert not Loss.objects.exists()


class TestStart:
    """Where a channel begins."""

    def test_at_the_oldest_where_there_is_no_position(self) -> None:
        assert saved_position.start(KEY) is None

    def test_at_the_youngest_of_the_same_journal(self) -> None:
        for number, channel in ((5, "A"), (7, "B"), (6, "C")):
            saved_position.save(KEY._replace(channel=channel), str(number), TIME_US + number, delivered=True)
        saved_position.save(KEY._replace(channel="D", journal="file:///x"), "8", TIME_US + 8, delivered=True)
        saved_position.save(KEY._replace(channel="E", machine="other"), "9", TIME_US + 9, delivered=True)
        assert saved_position.start(KEY) == "7"

    def test_and_stays_there_when_the_others_move_on(self) -> None:
        other = KEY._replace(channel="A")
        saved_position.save(other, "5", TIME_US, delivered=True)
        assert saved_position.start(KEY) == "5"
        saved_position.save(other, "6", TIME_US + 1, delivered=True)
        assert saved_position.start(KEY) == "5"

    def test_a_channel_that_has_read_nothing_is_not_the_youngest(self) -> None:
        assert saved_position.start(KEY._replace(channel="A")) is None
        saved_position.save(KEY._replace(channel="B"), "5", TIME_US, delivered=True)
        assert saved_position.start(KEY) == "5"


def test_a_problem_has_the_time_of_its_beginning_until_it_is_over(saver: PositionSaver, clock: Clock) -> None:
    def since() -> datetime | None:
        found: datetime | None = Position.objects.values_list("problem_since", flat=True).get()
        return found

    saver.delivered(entry(1))
    assert since() is None
    for problem in ("503", "timed out"):
        saver.stuck(2, 30, problem)
        clock.now += INTERVAL
        saver.save_if_due()
        first = since()
        assert first is not None
        assert Position.objects.get().problem == problem
        Position.objects.update(problem_since=(earlier := first.replace(microsecond=7)))
        saver.stuck(2, 30, "again")
        clock.now += INTERVAL
        saver.save_if_due()
        assert since() == earlier
    Position.objects.update(problem="")  # as an older release leaves it
    saver.stuck(2, 30, "503")
    clock.now += INTERVAL
    saver.save_if_due()
    assert since() != earlier
    saver.delivered(entry(2))
    assert since() is None
