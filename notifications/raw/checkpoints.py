"""Moves what SQLite's write-ahead log holds into the database, so that no request has to.

Otherwise the commit that fills the thousandth page does it, which is each two-hundredth capture: it waits for the disk.
Where no housekeeper runs a commit still does, once the log is ten times as large (wal_autocheckpoint in the settings).
"""

import logging
import time
from typing import Final

from notifications.raw import store

logger = logging.getLogger(__name__)

#: Seconds between two checkpoints; and after one that found more than `MANY` pages.
INTERVAL: Final = 1.0
SHORT_INTERVAL: Final = 0.2
MANY: Final = 1000
#: Seconds until it is looked again, on a database without a write-ahead log.
NOTHING_TO_DO: Final = 3600.0
#: Bytes of a log that is too large to be normal.
TOO_LARGE: Final = 256 * 1024 * 1024
#: Seconds between two warnings.
WARN_INTERVAL: Final = 600.0


class Checkpoints:
    """A chore: `do` is one checkpoint, which waits for nobody and keeps nobody waiting."""

    def __init__(self) -> None:
        self._warn_at = 0.0

    def do(self) -> float:
        """Give the seconds until the next. Raises what the database raises."""
        db = store.connection()
        if db.vendor != "sqlite":
            return NOTHING_TO_DO
        with db.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            _, pages, moved = cursor.fetchone()  # -1 where there is no log, or somebody else is at it
            cursor.execute("PRAGMA page_size")
            size = pages * cursor.fetchone()[0]
        if size > TOO_LARGE and time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + WARN_INTERVAL
            _warn(size, pages - moved)
        return SHORT_INTERVAL if pages > MANY else INTERVAL


def _warn(size: int, left: int) -> None:
    logger.warning(
        "SQLite's write-ahead log has %d MB (%d pages could not be moved into the database): it starts over only once"
        " all that read it have ended. Look for a transaction that stays open: a shell, a report, a backup",
        size // 2**20,
        left,
    )
