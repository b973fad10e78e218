"""Brings what waited in the spool into the database, each once: its receipt is the key."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import DataError, Error, IntegrityError, transaction

from notifications.conf import conf
from notifications.errors import KeyReused
from notifications.locks import exclusive
from notifications.raw import store
from notifications.raw.record import Record, digest_of, receipt_for
from notifications.raw.spool import DAMAGED, KEY_REUSED, Spool, spool

logger = logging.getLogger(__name__)

#: What one transaction imports at most, so that live work waits for little.
BATCH: Final = 200
BATCH_BYTES: Final = 4 * 1024 * 1024
#: Files that are listed at a time: a folder of a million must cost neither much memory, nor a listing for each batch.
LISTED: Final = 20_000
#: Seconds until a file is tried again that failed alone.
LATER: Final = 60.0
#: What says that this record will never be taken.
REFUSED: Final = (IntegrityError, DataError, OverflowError)

File = tuple[Path, Record]


def import_spool() -> int:
    """Import the oldest batch of what waits; gives how many files went. One process of the machine does it at a time.

    Raises what the database raises while it is away, and OSError: the rest waits on.
    """
    ours = spool()
    importer = _importers.get(ours)
    if importer is None:
        importer = _importers.setdefault(ours, Importer(ours))
    return importer.run()


class Importer:
    """Knows the oldest files of a spool, so that it need not list them for each batch."""

    def __init__(self, ours: Spool) -> None:
        self._spool = ours
        self._listed: deque[Path] = deque()
        self._later: dict[Path, float] = {}

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
                self._listed.clear()  # what was not imported comes first again
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
        self._listed.extend(path for path in paths if path not in self._later)
        return bool(self._listed)

    def _read(self) -> tuple[list[File], int]:
        """The next batch, and how many files went away because they cannot be read."""
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
                gone += 1
            else:
                batch.append((path, record))
                size += len(record.body)
        return batch, gone

    def _insert(self, batch: Sequence[File]) -> int:
        """In one transaction; one by one where that fails."""
        reused = set[Path]()
        try:
            with transaction.atomic():
                for path, record in batch:
                    try:
                        store.insert(record, store.connection())
                    except KeyReused as error:
                        logger.error("%s", error)
                        reused.add(path)
        except (Error, OverflowError):
            return sum(self._insert_one(path, record) for path, record in batch)
        for path in reused:
            self._spool.set_aside(path, KEY_REUSED)
        self._spool.remove(path for path, _ in batch if path not in reused)
        return len(batch)

    def _insert_one(self, path: Path, record: Record) -> bool:
        """Whether the file went. Raises what the database raises where it takes no other record either."""
        try:
            with transaction.atomic():
                store.insert(record, store.connection())
        except KeyReused as error:
            logger.error("%s", error)
            self._spool.set_aside(path, KEY_REUSED)
        except REFUSED as error:
            logger.error("%s: %s", path.name, error)
            self._spool.set_aside(path, DAMAGED)
        except Error as error:
            _try_another()
            self._postpone(path, error)
            return False
        else:
            self._spool.remove([path])
        return True

    def _postpone(self, path: Path, error: Exception) -> None:
        logger.error("%s waits on in the spool: %s: %s", path.name, type(error).__name__, error)
        self._later[path] = time.monotonic() + LATER


def lock_path() -> Path:
    """Held by the one process or thread of this machine that imports."""
    return conf.state_dir / "locks" / "spool-import"


def _try_another() -> None:
    """Raise what the database raises for a small record, of which nothing stays."""
    now = datetime.now(UTC)
    small = Record(receipt_for("", None), "", b"", digest_of(b""), now, now)
    with transaction.atomic():
        store.insert(small, store.connection())
        transaction.set_rollback(True)


_importers: dict[Spool, Importer] = {}
