"""Checkpoints SQLite: moves the write-ahead log into the database, so that no request has to.

Otherwise the commit that fills the thousandth page does it, and waits for the disk: every two-hundredth capture.
Without a housekeeper a commit still does, at ten times the size (wal_autocheckpoint in the settings).
"""

import logging
import time
from pathlib import Path
from typing import Any, Final

from notifications.database import bounded_wait

logger = logging.getLogger(__name__)

#: Seconds between two checkpoints, and after one with over `MANY` pages.
INTERVAL: Final = 1.0
SHORT_INTERVAL: Final = 0.2
MANY: Final = 1000
#: Seconds until the next call, on a database that is not SQLite.
NOTHING_TO_DO: Final = 3600.0
#: Bytes above which the log is too large to be normal.
TOO_LARGE: Final = 256 * 1024 * 1024
#: Bytes of the log's file to keep. It grows behind a long reader, and no commit or checkpoint makes it smaller.
KEPT: Final = 64 * 1024 * 1024
#: Seconds between two warnings.
WARN_INTERVAL: Final = 600.0


class Checkpoints:
    """A chore. It waits for no other connection, and none waits for it, unless the log's file is cut."""

    def __init__(self) -> None:
        self._warn_at = 0.0

    def do(self) -> float:
        """Checkpoint. Returns the seconds until the next. Raises database errors."""
        db = bounded_wait.connection()
        if db.vendor != "sqlite":
            return NOTHING_TO_DO
        with db.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            _, pages, moved = cursor.fetchone()  # -1 without a log, or during another checkpoint
            cursor.execute("PRAGMA page_size")
            size = pages * cursor.fetchone()[0]
            if pages == moved and _file_bytes(db) > KEPT:
                _cut(cursor)
        if size > TOO_LARGE and time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + WARN_INTERVAL
            _warn(size, pages - moved)
        return SHORT_INTERVAL if pages > MANY else INTERVAL


def _file_bytes(db: Any) -> int:
    try:
        return Path(f"{db.settings_dict['NAME']}-wal").stat().st_size
    except OSError:  # a database in memory
        return 0


def _cut(cursor: Any) -> None:
    """Empty the log's file, which is all in the database, unless somebody reads or writes just now."""
    cursor.execute("PRAGMA busy_timeout")
    before = cursor.fetchone()[0]
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {before}")


def _warn(size: int, left: int) -> None:
    logger.warning(
        "SQLite's write-ahead log has %d MB (%d pages could not be moved into the database): it shrinks only once all"
        " that read it have ended. Look for a transaction that stays open: a shell, a report, a backup",
        size // 2**20,
        left,
    )
