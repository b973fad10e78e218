"""Saves a follower's position: at once after a delivery, seldom while only other channels' events go by."""

import logging
import time
from typing import Final

from django.db import Error, connections, transaction

from notifications import losses, positions
from notifications.journal import Entry, Gap

logger = logging.getLogger(__name__)

#: Seconds.
INTERVAL: Final = 1.0


class Checkpoint:
    """The position of one channel in one journal. `keep=False` never reads nor saves it."""

    def __init__(self, key: positions.Key, *, keep: bool) -> None:
        self.key = key
        self._keep = keep
        self._last: Entry | None = None
        self._delivered = False
        self._gap: Gap | None = None
        self._tried_at = 0.0

    def load(self) -> str | None:
        """Where to go on; None is the oldest entry. Raises what the database raises."""
        return positions.load(self.key) if self._keep else None

    def passed(self, entry: Entry) -> None:
        """Everything up to this entry needs no delivery."""
        self._last = entry

    def delivered(self, entry: Entry) -> None:
        """Everything up to this entry was delivered. A database that is away is tried again later."""
        self._last, self._delivered = entry, True
        self._try_to_save()

    def note_gap(self, gap: Gap) -> None:
        """Entries were lost; recorded with the next position."""
        logger.error("%s lost entries of %s: %s", self.key.channel, self.key.journal, gap.reason)
        self._gap = gap

    def save_if_due(self) -> None:
        if (self._last or self._gap) and time.monotonic() - self._tried_at >= INTERVAL:
            self._try_to_save()

    def save(self, entry: Entry | None, *, delivered: bool) -> None:
        """Save in the caller's transaction. Raises what the database raises."""
        if self._keep and self._gap is not None:
            losses.record_gap(self.key, self._gap)
        if self._keep and entry is not None:
            positions.save(self.key, entry.position, entry.time_us, delivered=delivered)

    def saved(self) -> None:
        """The caller's transaction was committed: nothing waits to be saved."""
        self._last, self._gap, self._delivered = None, None, False

    def close(self) -> None:
        if self._last or self._gap:
            self._try_to_save()

    def _try_to_save(self) -> None:
        self._tried_at = time.monotonic()
        try:
            with transaction.atomic():
                self.save(self._last, delivered=self._delivered)
        except Error as error:
            logger.warning("The position of %s could not be saved, will be later: %s", self.key.channel, error)
            connections.close_all()
        else:
            self.saved()
