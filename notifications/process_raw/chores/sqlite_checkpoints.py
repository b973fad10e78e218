"""Checkpoints SQLite: moves the write-ahead log into the database, so that no request has to.

Otherwise the commit that fills the thousandth page does it, and waits for the disk: every two-hundredth capture.
Without a housekeeper a commit still does, at thirty times the size (wal_autocheckpoint in the settings).
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from notifications.database import bounded_wait

logger = logging.getLogger(__name__)

#: Seconds between two checkpoints, and after one with over `MANY` pages.
INTERVAL: Final = 1.0
SHORT_INTERVAL: Final = 0.2
MANY: Final = 1000
#: Pages of a log that cannot begin anew, because commits come faster than a checkpoint ends…
LONG: Final = 3000
#: …and milliseconds to wait for the others, in order to keep them off for the last few pages.
KEEP_OFF_MS: Final = 5
#: Seconds until that is tried again, if somebody who reads has kept some pages from being moved.
READING: Final = 5.0
#: Seconds until the next call, on a database that is not SQLite.
NOTHING_TO_DO: Final = 3600.0
#: Bytes above which the log is too large to be normal.
TOO_LARGE: Final = 256 * 1024 * 1024
#: Bytes of the log's file to keep. It grows behind a long reader, and no commit or checkpoint makes it smaller.
KEPT: Final = 64 * 1024 * 1024
#: Seconds between two warnings.
WARN_INTERVAL: Final = 600.0


class Checkpoints:
    """A chore. It waits for no other connection. Commits wait some milliseconds for it where the log is long or cut."""

    def __init__(self) -> None:
        self._warn_at = 0.0
        #: Of the log, at the last look.
        self._pages = 0
        self._kept_off_until = 0.0

    def do(self) -> float:
        """Checkpoint. Returns the seconds until the next. Raises database errors."""
        db = bounded_wait.connection()
        if db.vendor != "sqlite":
            return NOTHING_TO_DO
        now = time.monotonic()
        with db.cursor() as cursor:
            pages, moved = checkpoint(cursor, "PASSIVE")
            if pages > LONG and pages != self._pages and now >= self._kept_off_until:
                pages, moved = move_all(cursor)
                self._kept_off_until = now + READING if moved < pages else 0.0
            self._pages = pages
            if pages == moved and _file_bytes(db) > KEPT:
                _cut(cursor)
            cursor.execute("PRAGMA page_size")
            size = pages * cursor.fetchone()[0]
        if size > TOO_LARGE and now >= self._warn_at:
            self._warn_at = now + WARN_INTERVAL
            _warn(size, pages - moved)
        return SHORT_INTERVAL if pages > MANY else INTERVAL


def checkpoint(cursor: Any, mode: str) -> tuple[int, int]:
    """How many pages the log has, and how many of them are moved: -1 without a log, or during another checkpoint."""
    cursor.execute(f"PRAGMA wal_checkpoint({mode})")
    _, pages, moved = cursor.fetchone()
    return pages, moved


def move_all(cursor: Any) -> tuple[int, int]:
    """Move what came during the checkpoint while nobody can commit. Returns the same.

    Others wait for two fsyncs. What is moved already gets to the disk before, so that both are short.
    """
    cursor.execute("PRAGMA database_list")
    os.fdatasync(_open_for_good(next(path for _, name, path in cursor.fetchall() if name == "main")))
    checkpoint(cursor, "PASSIVE")
    with _busy_timeout(cursor, KEEP_OFF_MS):
        return checkpoint(cursor, "FULL")


@cache
def _open_for_good(path: str) -> int:
    """A descriptor of the database's file. To close one ends all locks that SQLite has on it in this process."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _file_bytes(db: Any) -> int:
    try:
        return Path(f"{db.settings_dict['NAME']}-wal").stat().st_size
    except OSError:  # a database in memory
        return 0


def _cut(cursor: Any) -> None:
    """Empty the log's file, which is all in the database, unless somebody reads or writes just now."""
    with _busy_timeout(cursor, 0):
        checkpoint(cursor, "TRUNCATE")


@contextmanager
def _busy_timeout(cursor: Any, milliseconds: int) -> Iterator[None]:
    """For a checkpoint that keeps commits off, also while it waits for somebody who reads."""
    cursor.execute("PRAGMA busy_timeout")
    before = cursor.fetchone()[0]
    cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {before}")


def _warn(size: int, left: int) -> None:
    logger.warning(
        "SQLite's write-ahead log has %d MB (%d pages could not be moved into the database): it shrinks only once all"
        " that read it have ended. Look for a transaction that stays open: a shell, a report, a backup",
        size // 2**20,
        left,
    )
