"""Saves a follower's position: at once after a delivery, seldom while only other channels' events go by."""

import logging
import time
from datetime import timedelta
from typing import Final

from django.db import Error, connections, transaction
from django.utils import timezone

from notifications import losses
from notifications.deadline import deadline
from notifications.follow import positions
from notifications.follow.outage import Outage
from notifications.journal import Entry, Gap

logger = logging.getLogger(__name__)

#: Seconds between two saves while only other channels' events go by.
INTERVAL: Final = 1.0
#: Seconds between two attempts while the database is away.
LONGEST_PAUSE: Final = 10.0
#: Seconds that a save may hold up the deliveries.
LONGEST: Final = 3.0


class Checkpoint:
    """The position of one channel in one journal. `keep=False` never saves it."""

    def __init__(self, key: positions.Key, *, keep: bool) -> None:
        self.key = key
        self._keep = keep
        self._last: Entry | None = None
        self._delivered = False
        self._stuck: positions.Stuck | None = None
        self._gaps: list[Gap] = []
        self._tried_at = 0.0
        self._outage = Outage(f"position of {key.channel}", longest=LONGEST_PAUSE)

    def start(self) -> str | None:
        """Where to go on; None is the oldest entry. Raises what the database raises."""
        return positions.start(self.key) if self._keep else positions.find(self.key)

    def passed(self, entry: Entry) -> None:
        """Everything up to this entry needs no delivery."""
        self._last = entry

    def forget(self) -> None:
        """Leave it to the caller's transaction to move the position: saved later, an older one would move it back."""
        self._last = None

    def delivered(self, entry: Entry) -> None:
        """Everything up to this entry was delivered. A database that is away is tried again later."""
        self._last, self._delivered, self._stuck = entry, True, None
        if self.is_away:  # each attempt may take as long as a connection takes to fail
            self.save_if_due()
        else:
            self._try_to_save()

    @property
    def is_away(self) -> bool:
        """Whether the database took nothing when it was last tried."""
        return bool(self._outage.failures)

    def stuck(self, waiting: int, seconds: float, problem: str, *, held: bool = False) -> None:
        """So many events wait for the next attempt; shown in status and admin from the next save on.

        `held`: the destination named the time, which holds for a successor too.
        """
        until = timezone.now() + timedelta(seconds=seconds)
        self._stuck = positions.Stuck(waiting, until, problem, until if held else None)

    def note_gap(self, gap: Gap) -> None:
        """Entries were lost; recorded with the next position."""
        logger.error("%s lost entries of %s: %s", self.key.channel, self.key.journal, gap.reason)
        self._gaps.append(gap)

    def save_if_due(self) -> None:
        """Save, unless that was tried just now."""
        if not (self._last or self._gaps or self._stuck) or self._outage.resting():
            return
        if time.monotonic() - self._tried_at >= INTERVAL:
            self._try_to_save()

    def save(self, entry: Entry | None, *, delivered: bool) -> None:
        """Save in the caller's transaction. Raises what the database raises."""
        if not self._keep:
            return
        for gap in self._gaps:
            losses.record_gap(self.key, gap)
        if entry is not None:
            positions.save(self.key, entry.position, entry.time_us, delivered=delivered)
        elif self._stuck is not None:
            positions.save_stuck(self.key, self._stuck)

    def is_saved(self, entry: Entry) -> bool:
        """Whether the position is already there, in the caller's transaction. Raises what the database raises."""
        return self._keep and positions.find(self.key, locked=True) == entry.position

    def saved(self) -> None:
        """The caller's transaction was committed: nothing waits to be saved."""
        self._last, self._delivered, self._stuck = None, False, None
        self._outage.over()
        self._gaps.clear()

    def close(self) -> None:
        if self._last or self._gaps or self._stuck:
            self._try_to_save()

    def _try_to_save(self) -> None:
        if not self._keep:
            return self.saved()
        self._tried_at = time.monotonic()
        try:
            with deadline(LONGEST), transaction.atomic():
                self.save(self._last, delivered=self._delivered)
        except Error as error:
            connections.close_all()
            self._outage.failed(f"it is saved later: {error}")
        else:
            self.saved()
        return None
