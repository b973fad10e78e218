"""Imports waiting payloads from the spool into the database, each once: its receipt is the key."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import DataError, Error, IntegrityError, transaction

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.transactions import atomic, check_outside
from notifications.errors import KeyReused
from notifications.http.idempotency import receipt_for
from notifications.store import insert
from notifications.store.database_breaker import database_works
from notifications.store.new_payload import Record, beside_the_first, digest_of
from notifications.store.spool import DAMAGED, Spool, is_aside, spool
from notifications.utils.file_locks import exclusive

logger = logging.getLogger(__name__)

#: Limits of one transaction, so that live work waits little.
BATCH: Final = 200
BATCH_BYTES: Final = 4 * 1024 * 1024
#: Files listed at a time: a folder of a million must cost neither much memory nor a listing for each batch.
LISTED: Final = 20_000
#: Seconds until a file that failed alone is tried again.
LATER: Final = 60.0
#: The database will never take this record.
REFUSED: Final = (IntegrityError, DataError, OverflowError)

File = tuple[Path, Record]


def import_spool() -> int:
    """Import the oldest batch; returns how many files left the spool. One process of the machine does it at a time.

    For one thread of a process: two would share the list of files, and one could take it while it is half made.
    Raises database errors while it is away, and OSError: the rest keeps waiting.
    """
    ours = spool()
    importer = _importers.get(ours)
    if importer is None:
        importer = _importers.setdefault(ours, Importer(ours))
    return importer.run()


def forget() -> None:
    """Know nothing, as a process that has just started."""
    _importers.clear()


class Importer:
    """Remembers the oldest files of a spool, and need not list them for each batch."""

    def __init__(self, ours: Spool) -> None:
        self._spool = ours
        self._listed: deque[Path] = deque()
        self._later: dict[Path, float] = {}
        #: Files set aside are read once more: an older release cannot read what this one writes.
        self._looked_at = set[Path]()

    def run(self) -> int:
        """See `import_spool`."""
        if not self._listed and not self._list():
            return 0
        with exclusive(lock_path()) as alone:
            if not alone:
                return 0
            batch, gone = self._read()
            try:
                imported = self._insert(batch)
            except Error:
                self._listed.clear()  # list again: what was not imported comes first
                self._looked_at.clear()
                raise
        if gone + imported:
            logger.info("%d payloads came from the spool", imported)
        return gone + imported

    def _list(self) -> bool:
        now = time.monotonic()
        self._later = {path: until for path, until in self._later.items() if until > now}
        paths = self._spool.waiting(LISTED)
        if paths:
            self._spool.count_again()
        aside = self._spool.aside()
        paths += sorted(aside - self._looked_at)
        self._looked_at = aside - self._later.keys()
        self._listed.extend(path for path in paths if path not in self._later)
        return bool(self._listed)

    def _read(self) -> tuple[list[File], int]:
        """The next batch, and how many unreadable files were set aside."""
        batch: list[File] = []
        size = gone = 0
        while self._listed and len(batch) < BATCH and size < BATCH_BYTES:
            path = self._listed.popleft()
            try:
                record = self._spool.read(path)
            except FileNotFoundError:  # another worker was faster
                continue
            except OSError as error:
                self._postpone(path, error)
                continue
            if record is None:
                gone += not is_aside(path)
            else:
                if is_aside(path):
                    logger.info("%s was set aside but is whole: it is imported", path)
                batch.append((path, record))
                size += len(record.body)
        return batch, gone

    def _insert(self, batch: Sequence[File]) -> int:
        """In one transaction; one by one if that fails."""
        check_outside(bounded_wait.connection())
        try:
            with atomic():
                for _, record in batch:
                    _insert(record)
        except (Error, OverflowError):
            return sum(self._insert_one(path, record) for path, record in batch)
        self._forget([path for path, _ in batch])
        return len(batch)

    def _insert_one(self, path: Path, record: Record) -> bool:
        """Whether the file left the spool. Raises database errors if it takes no other record either."""
        check_outside(bounded_wait.connection())
        try:
            with atomic():
                _insert(record)
        except REFUSED as error:
            logger.error("%s: %s", path.name, error)
            self._spool.set_aside(path, DAMAGED)
        except Error as error:
            _try_another()
            self._postpone(path, error)
            return False
        else:
            self._forget([path])
        return True

    def _forget(self, paths: Sequence[Path]) -> None:
        check_outside(bounded_wait.connection())  # else a rollback could lose what leaves the spool
        database_works()  # first: a request that no longer finds a file here must ask the database
        self._spool.remove(paths)

    def _postpone(self, path: Path, error: Exception) -> None:
        logger.error("%s stays in the spool: %s: %s", path.name, type(error).__name__, error)
        self._later[path] = time.monotonic() + LATER
        self._looked_at.discard(path)


def _insert(record: Record) -> None:
    """Insert a row. If its key has a row with other bytes, it was acknowledged all the same: insert it beside."""
    db = bounded_wait.connection()
    try:
        insert.insert(record, db)
    except KeyReused as error:
        beside = beside_the_first(record)
        logger.error("%s; it is in quarantine, as %s", error, beside.receipt)
        insert.insert(beside, db)


def lock_path() -> Path:
    """The one importing process of this machine holds it."""
    return conf.state_dir / "locks" / "spool-import"


def _try_another() -> None:
    """Raise database errors for a small record, which is rolled back."""
    now = datetime.now(UTC)
    small = Record(receipt_for("", None), "", b"", digest_of(b""), now, now)
    with atomic():
        insert.insert(small, bounded_wait.connection())
        transaction.set_rollback(True, using=conf.database)


_importers: dict[Spool, Importer] = {}
