"""Puts a record into the database, or into the spool if the database refuses or is slow."""

import logging
import time
from functools import partial
from typing import Final

from django.db import DataError, Error, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database import bounded_wait
from notifications.database.transactions import in_transaction
from notifications.errors import KeyReused, NowhereToStore, SignatureRefused
from notifications.store import disk_space, group_commit, insert
from notifications.store.database_breaker import breaker
from notifications.store.new_payload import Record
from notifications.store.spool import SpoolFull, spool
from notifications.store.wake_workers import notifier
from notifications.utils.folder_rights import explain

logger = logging.getLogger(__name__)

#: The quarantine's share of the spool: anybody can send bad signatures.
QUARANTINE_SHARE: Final = 0.1
UNKNOWN_TRANSACTION: Final = (
    "kept in a transaction that Django does not know of (set_autocommit(False), or a BEGIN of one's own: write"
    " `with transaction.atomic():` instead)"
)


def check_disk(db: BaseDatabaseWrapper) -> None:
    """Raise NowhereToStore if the database's disk is nearly full, while we can still answer."""
    if disk_space.database_is_low(db):
        raise NowhereToStore("the disk is nearly full")


def put(record: Record, db: BaseDatabaseWrapper, *, checks_disk: bool = False) -> None:
    """Store a record, outside a transaction. Raises KeyReused, NowhereToStore, SignatureRefused.

    `checks_disk`: the caller has not called `check_disk()`.
    """
    if waits_in_spool(record):
        return
    if checks_disk:
        check_disk(db)
    if not (breaker.allows() and _insert(record, db)):
        _refuse_other_bytes(record, db)
        _spool(record)
        _refuse_other_bytes(record, db)  # if another body was just imported, this one will be imported beside it


def _insert(record: Record, db: BaseDatabaseWrapper) -> bool:
    """Whether the database took it."""
    started = time.monotonic()
    try:
        committed = _insert_bounded(record, db, failed_before=breaker.is_open())
    except KeyReused:
        breaker.close()
        raise
    except (IntegrityError, DataError, OverflowError) as error:  # other payloads would pass
        breaker.close()
        why = str(error).partition("\n")[0]  # later lines may quote the row
        logger.error("The database refuses payload %s (%s); it goes to the spool", record.receipt, why)
    except group_commit.GroupFailed as error:  # whose leader reports; late, we would open what has closed since
        logger.debug("Payload %s goes to the spool: %s", record.receipt, error)
    except (Error, OSError) as error:
        breaker.open(time.monotonic() - started)
        logger.warning("The database took no payload (%s); it goes to the spool", type(error).__name__)
        if db.vendor == "postgresql":  # a new connection may find a working server
            db.close()
    else:
        breaker.close()
        if not committed:  # it could still roll back after we have answered
            logger.error("%s: %s; it goes to the spool as well", record.receipt, UNKNOWN_TRANSACTION)
        return committed
    return False


def _insert_bounded(record: Record, db: BaseDatabaseWrapper, *, failed_before: bool) -> bool:
    """Whether no transaction is open after it: then it is committed."""
    if db.vendor == "sqlite" and not in_transaction(db) and not disk_space.is_in_memory(db):
        patience = bounded_wait.STILL_LOCKED_MS if failed_before else bounded_wait.LOCKED_MS
        group_commit.insert_together(record, db, patience=patience)
    else:
        insert_row = partial(_insert_row, record, db)
        bounded_wait.run_bounded(db, insert_row, failed_before=failed_before, size=len(record.body))
    return not in_transaction(db)


def _insert_row(record: Record, db: BaseDatabaseWrapper) -> None:
    since = time.monotonic()
    if not notifier.begin(db):
        insert.insert(record, db)
        notifier.notify(db)
        return
    inserted: bool | None = None
    try:
        inserted = insert.insert(record, db, notifies=True)
    except KeyReused:
        inserted = False
        raise
    finally:
        notifier.end(since, sent=bool(inserted))
        if inserted is False and notifier.others_wait:  # it has sent none: its key came before
            notifier.notify(db)


def waits_in_spool(record: Record) -> bool:
    """Whether its key and body already wait in this machine's spool, not yet in the table.

    Raises KeyReused for another body.
    """
    if not record.idempotency_key or record.quarantined_for:
        return False
    try:
        return spool().holds(record)
    except FileExistsError as error:
        raise _key_reused(record) from error
    except OSError:  # unknown; the database may take it
        return False


def _refuse_other_bytes(record: Record, db: BaseDatabaseWrapper) -> None:
    """Raise KeyReused if the table has the key with another body, as far as asking is safe.

    SQLite: always, since its readers never wait. PostgreSQL: once it has answered some process.
    """
    if not record.idempotency_key or record.quarantined_for or not (db.vendor == "sqlite" or breaker.may_answer()):
        return
    try:
        reused = bounded_wait.run_bounded(db, lambda: insert.has_other_bytes(record, db), failed_before=True)
    except (Error, OSError) as error:  # the importer asks again
        logger.debug("The database cannot be asked for a key: %s", error)
        if db.vendor == "postgresql":
            db.close()
        return
    if reused:
        raise _key_reused(record)


def _spool(record: Record) -> None:
    if disk_space.state_is_low():
        raise NowhereToStore("the database is away, and the spool's disk is nearly full")
    try:
        spool().write(record, share=QUARANTINE_SHARE if record.quarantined_for else 1.0)
    except FileExistsError as error:
        raise _key_reused(record) from error
    except SpoolFull as error:
        if record.quarantined_for:  # a sender without a secret must not fill it
            raise SignatureRefused(record.quarantined_for) from error
        raise NowhereToStore("the database is away, and the spool is full") from error
    except OSError as error:
        logger.error("The spool takes no payload: %s", explain(error) or error)
        raise NowhereToStore("neither the database nor the spool could store it") from error


def _key_reused(record: Record) -> KeyReused:
    return KeyReused(f"{record.source}: this key came before with another body")
