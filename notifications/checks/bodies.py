"""Checks of NOTIFICATIONS_BODY_STORAGE."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.storage.handler import InvalidStorageError
from django.db import Error as DatabaseError

from notifications.bodies.folder_storage import FolderStorage
from notifications.checks.databases import vendor
from notifications.conf import conf
from notifications.models import Position
from notifications.positions.key import machine_id
from notifications.utils.times import utc_now

#: A machine that has followed nothing for so long is gone, or has been replaced.
LATELY: Final = timedelta(days=1)


def check_body_storage(**_: Any) -> list[CheckMessage]:
    """It is an alias in STORAGES, and its storage survives a power cut."""
    alias = conf.body_storage_alias
    if not alias:
        return []
    try:
        storage = storages[alias]
    except (InvalidStorageError, TypeError) as error:  # TypeError: not an alias, or wrong options
        aliases = ", ".join(map(repr, settings.STORAGES))
        hint = f"Write one of {aliases}, or '' for the folder bodies in NOTIFICATIONS_STATE_DIR."
        return [Error(f"NOTIFICATIONS_BODY_STORAGE is {alias!r}: {error}", hint=hint, id="notifications.E014")]
    if isinstance(storage, FileSystemStorage) and not isinstance(storage, FolderStorage):
        hint = 'Use it with "BACKEND": "notifications.bodies.FolderStorage", which syncs.'
        text = f"NOTIFICATIONS_BODY_STORAGE, {alias!r}, may lose bodies in a power cut."
        return [checks.Warning(text, hint=hint, id="notifications.W007")]
    return []


def check_body_storage_is_shared(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """With PostgreSQL there may be several machines: the database knows, with `check --database ALIAS`."""
    if conf.body_storage_alias or vendor() != "postgresql" or conf.database not in (databases or ()):
        return []
    if not _other_machines():
        return []
    hint = "Set NOTIFICATIONS_BODY_STORAGE to an alias in STORAGES that all machines share."
    text = "Large bodies are in a folder of this machine: other machines cannot read them."
    return [checks.Warning(text, hint=hint, id="notifications.W008")]


def _other_machines() -> bool:
    """Whether a channel was followed on another machine lately. False without a database, or tables."""
    lately = utc_now() - LATELY
    try:
        return Position.objects.filter(updated_at__gt=lately).exclude(machine=machine_id()).exists()
    except DatabaseError:
        return False


CHECKS: Final = (check_body_storage,)
DEPLOY_CHECKS: Final = (check_body_storage_is_shared,)
