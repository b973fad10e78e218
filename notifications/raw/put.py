"""Where a record goes: into the database, and into the spool where that takes it not, or not soon."""

import logging
import time
from typing import Any

from django.db import DataError, Error, IntegrityError

from notifications.errors import KeyReused, NowhereToStore, SignatureRefused
from notifications.raw import disk, limits, store
from notifications.raw.breaker import breaker
from notifications.raw.record import Record
from notifications.raw.spool import SpoolFull, spool
from notifications.raw.wake import notifier

logger = logging.getLogger(__name__)


def check_disk(db: Any) -> None:
    """Raise NowhereToStore where the database is on a disk that is nearly full: as long as that can still be said."""
    if disk.database_is_low(db):
        raise NowhereToStore("the disk is nearly full")


def put(record: Record, db: Any) -> None:
    """Store a record, outside a transaction. Raises KeyReused, NowhereToStore, SignatureRefused."""
    # A key that waits in the spool of this machine came first, though the table does not know it yet.
    if record.idempotency_key and not record.quarantined_for and _in_spool(record):
        return
    check_disk(db)
    if not (breaker.allows() and _insert(record, db)):
        _spool(record)


def _insert(record: Record, db: Any) -> bool:
    """Whether the database took it."""

    def insert() -> None:
        store.insert(record, db)
        notifier.notify(db)

    started = time.monotonic()
    try:
        store.soon(db, insert, failed_before=breaker.is_open(), size=len(record.body))
    except KeyReused:
        breaker.close()
        raise
    except (IntegrityError, DataError, OverflowError) as error:  # it would take others
        breaker.close()
        why = str(error).partition("\n")[0]  # what follows may quote the row
        logger.error("The database refuses payload %s (%s); it goes to the spool", record.receipt, why)
    except (Error, OSError) as error:
        breaker.open(time.monotonic() - started)
        logger.warning("The database took no payload (%s); it goes to the spool", type(error).__name__)
        if db.vendor == "postgresql":  # another connection may find a server that takes it
            db.close()
    else:
        breaker.close()
        return True
    return False


def _in_spool(record: Record) -> bool:
    try:
        return spool().holds(record)
    except FileExistsError as error:
        raise _key_reused(record) from error
    except OSError:  # nobody can say; the database may take it
        return False


def _spool(record: Record) -> None:
    if disk.state_is_low():
        raise NowhereToStore("the database is away, and the disk for its spool nearly full")
    try:
        spool().write(record, share=limits.QUARANTINE_SHARE if record.quarantined_for else 1.0)
    except FileExistsError as error:
        raise _key_reused(record) from error
    except SpoolFull as error:
        if record.quarantined_for:  # nobody without a secret may fill it
            raise SignatureRefused(record.quarantined_for) from error
        raise NowhereToStore("the database is away, and its spool full") from error
    except OSError as error:
        raise NowhereToStore("neither the database nor the spool could store it") from error


def _key_reused(record: Record) -> KeyReused:
    return KeyReused(f"{record.source}: this key came before with another body")
