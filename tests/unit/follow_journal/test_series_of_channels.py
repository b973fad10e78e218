"""What follow_journal counts for the series: what each channel delivered, and how long its oldest event has waited."""

from datetime import timedelta

import pytest

from notifications.channels import Unavailable
from notifications.follow_journal import lag_samples
from notifications.utils.times import utc_now
from tests.support.series import Counts
from tests.support.tell import Clock, FlakyJournal, Follow, ScriptedChannel, tell, turn

pytestmark = pytest.mark.django_db(transaction=True)


class Three(ScriptedChannel):
    batch = 3


class Digesting(ScriptedChannel):
    digests = True


def lag(counts: Counts) -> tuple[int, float]:
    """The samples of SLACK, and the highest."""
    found = counts.all()["lag", "SLACK"]
    return found.count, found.highest


@pytest.mark.parametrize("channel", [Three, Digesting])
def test_deliveries_count_the_events_that_they_stand_for(
    channel: type[ScriptedChannel], journal: FlakyJournal, follow: Follow, clock: Clock, counts: Counts
) -> None:
    tell(journal, *"abcd")
    turn(follow(channel(script=[Unavailable("down")])), clock)
    assert counts.counts() == {("delivered", "SLACK"): 4}


def test_what_is_delivered_again_and_what_the_engine_reads_itself_is_not_counted(
    journal: FlakyJournal, follow: Follow, clock: Clock, counts: Counts
) -> None:
    tell(journal, "a")
    tell(journal, "b", name="SERIES")
    turn(follow(Three(), detached=True), clock)
    turn(follow(Three("SERIES")), clock)
    assert counts.counts() == {}


@pytest.mark.parametrize("channel", [Three, Digesting])
def test_the_lag_is_the_age_of_the_oldest_event_that_waits(
    channel: type[ScriptedChannel],
    journal: FlakyJournal,
    follow: Follow,
    clock: Clock,
    counts: Counts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(journal, *"abcde")
    started, later = clock.now, timedelta(seconds=90)
    monkeypatch.setattr(lag_samples, "utc_now", lambda: utc_now() + later)
    stuck = channel(script=[Unavailable("down")] * 1000)
    turn(follow(stuck, drain=False), clock, until=lambda: clock.now - started > 150)
    count, highest = lag(counts)
    assert count in {2, 3}  # a turn may wait until an attempt that is due after the sample
    assert 90 <= highest < 120


def test_where_nothing_waits_there_is_no_lag(
    journal: FlakyJournal, follow: Follow, clock: Clock, counts: Counts
) -> None:
    started = clock.now
    turn(follow(Three(), drain=False), clock, until=lambda: clock.now - started > 70, most=5000)
    assert lag(counts) == (2, 0)
