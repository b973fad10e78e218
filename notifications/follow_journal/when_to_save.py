"""Saves a follower's position: at once after a delivery, seldom while only events of other channels come."""

import logging
import time
from datetime import timedelta
from typing import Final

from django.db import Error, connections

from notifications.conf import conf
from notifications.database.deadline import deadline
from notifications.database.transactions import atomic
from notifications.events.series_counts import counted
from notifications.follow_journal import record_undelivered
from notifications.follow_journal.lost_in_gap import CountedGap, Tally
from notifications.journal import Entry, Gap
from notifications.positions import saved_position
from notifications.positions.key import Key
from notifications.utils.times import utc_now
from notifications.workers.outage import Outage

logger = logging.getLogger(__name__)

#: Seconds between two saves while only events of other channels come.
INTERVAL: Final = 0.875
#: The most seconds between two attempts while the database is away.
LONGEST_PAUSE: Final = 10.0
#: Seconds for a save, which delays deliveries.
LONGEST: Final = 3.0


class PositionSaver:
    """The position of one channel in one journal. `keep=False` never saves it."""

    def __init__(self, key: Key, *, keep: bool) -> None:
        self.key = key
        #: Saved with the position. None before `start()`, and if `keep` is false.
        self.tally: Tally | None = None
        self._keep = keep
        self._last: Entry | None = None
        self._delivered = False
        self._stuck: saved_position.Stuck | None = None
        self._gaps: list[Gap] = []
        self._tried_at = 0.0
        self._outage = Outage(f"position of {key.channel}", longest=LONGEST_PAUSE)

    def start(self) -> str | None:
        """Returns where to start; None is the oldest entry. Raises database errors."""
        if not self._keep:
            return saved_position.find(self.key)
        cursor = saved_position.start(self.key)
        self.tally = Tally(conf.trusted_uids, saved_position.tally_of(self.key))
        return cursor

    def passed(self, entry: Entry) -> None:
        """No event is pending up to this entry."""
        self._last = entry

    def forget(self) -> None:
        """The caller's transaction moves the position: an older one saved later would move it back."""
        self._last = None

    def delivered(self, entry: Entry) -> None:
        """All up to this entry was delivered. If the database is away, it is saved later."""
        self._last, self._delivered, self._stuck = entry, True, None
        if self.is_away:  # not each time: an attempt takes until the connection fails
            self.save_if_due()
        else:
            self._try_to_save()

    @property
    def is_away(self) -> bool:
        """Whether the last save failed."""
        return bool(self._outage.failures)

    def stuck(self, waiting: int, seconds: float, problem: str, *, held: bool = False) -> None:
        """So many events wait for the next attempt. Status and admin show it after the next save.

        `held`: the destination named the time, so the next process must keep it too.
        """
        until = utc_now() + timedelta(seconds=seconds)
        self._stuck = saved_position.Stuck(waiting, until, problem, until if held else None)

    def note_gap(self, gap: Gap) -> None:
        """Entries were lost. The gap is recorded with the next position."""
        logger.error("%s lost entries of %s: %s", self.key.channel, self.key.journal, gap.reason)
        self._gaps.append(gap)

    def save_if_due(self) -> None:
        """Save, unless it was tried less than a second ago, or the outage's pause is not over."""
        if not (self._last or self._gaps or self._stuck) or self._outage.seconds_left():
            return
        if time.monotonic() - self._tried_at >= INTERVAL:
            self._try_to_save()

    def save(self, entry: Entry | None, *, delivered: bool) -> None:
        """Save in the caller's transaction. Raises database errors."""
        if not self._keep:
            return
        for gap in self._gaps:
            record_undelivered.record_gap(self.key, gap)
        for changed in self._changed_gaps():
            record_undelivered.count_gap(self.key, changed.position, changed.count)
        if entry is not None:
            tally = self.tally.dump(entry.position) if self.tally else None
            saved_position.save(self.key, entry.position, entry.time_us, delivered=delivered, tally=tally)
        elif self._stuck is not None:
            saved_position.save_stuck(self.key, self._stuck)

    def _changed_gaps(self) -> list[CountedGap]:
        """Gaps whose count has changed since the last save."""
        return [gap for gap in self.tally.gaps if gap.changed] if self.tally else []

    def is_saved(self, entry: Entry) -> bool:
        """Whether the saved position is at this entry. Locks it in the caller's transaction. Raises database errors."""
        return self._keep and saved_position.find(self.key, locked=True) == entry.position

    def saved(self) -> None:
        """The caller's transaction was committed: all is saved."""
        self._last, self._delivered, self._stuck = None, False, None
        self._outage.over()
        self._gaps.clear()
        for gap in self._changed_gaps():
            gap.changed = False
            if gap.count > gap.told:
                counted.add("lost", self._lost_label, count=gap.count - gap.told)
                gap.told = gap.count

    @property
    def _lost_label(self) -> str:
        """The accountant reads the events of all channels."""
        return "" if self.key.channel == "LOST" else self.key.channel

    def close(self) -> None:
        if self._last or self._gaps or self._stuck:
            self._try_to_save()

    def _try_to_save(self) -> None:
        if not self._keep:
            return self.saved()
        self._tried_at = time.monotonic()
        try:
            with deadline(LONGEST), atomic():
                self.save(self._last, delivered=self._delivered)
        except Error as error:
            connections.close_all()
            self._outage.failed(f"it is saved later: {error}")
        else:
            self.saved()
        return None
