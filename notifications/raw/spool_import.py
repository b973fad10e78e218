"""Brings what waited in the spool into the database, each once: its receipt is the key."""

import logging
from pathlib import Path
from typing import Final

from django.db import DataError, IntegrityError

from notifications.errors import KeyReused
from notifications.raw import store
from notifications.raw.record import Record
from notifications.raw.spool import DAMAGED, KEY_REUSED, Spool, spool

logger = logging.getLogger(__name__)

BATCH: Final = 200


def import_spool() -> int:
    """Import what waits; gives how many files. Raises what the database raises, and OSError: the rest waits on."""
    imported = 0
    ours = spool()
    for path in ours.waiting()[:BATCH]:
        try:
            record = ours.read(path)
        except FileNotFoundError:  # another worker was faster
            continue
        if record is not None and _insert(ours, path, record):
            ours.remove(path)
        imported += 1
    if imported:
        logger.info("%d payloads came from the spool", imported)
    return imported


def _insert(ours: Spool, path: Path, record: Record) -> bool:
    try:
        store.insert(record, store.connection())
    except KeyReused as error:
        logger.error("%s", error)
        ours.set_aside(path, KEY_REUSED)
        return False
    except (IntegrityError, DataError) as error:
        logger.error("%s: %s", path.name, error)
        ours.set_aside(path, DAMAGED)
        return False
    return True
