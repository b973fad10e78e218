"""Checks of NOTIFICATIONS_BODY_STORAGE."""

from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.storage.handler import InvalidStorageError

from notifications.bodies.folder_storage import FolderStorage
from notifications.conf import conf


def check_body_storage(**_: Any) -> list[CheckMessage]:
    """It is an alias in STORAGES, and its storage survives a power cut."""
    alias = conf.body_storage_alias
    if not alias:
        return []
    try:
        storage = storages[alias]
    except (InvalidStorageError, TypeError) as error:  # TypeError: not an alias, or wrong options
        hint = f"Write one of {', '.join(map(repr, settings.STORAGES))}, or '' for the folder STATE_DIR/bodies."
        return [Error(f"NOTIFICATIONS_BODY_STORAGE is {alias!r}: {error}", hint=hint, id="notifications.E014")]
    if isinstance(storage, FileSystemStorage) and not isinstance(storage, FolderStorage):
        hint = 'Use it with "BACKEND": "notifications.bodies.FolderStorage", which syncs.'
        text = f"NOTIFICATIONS_BODY_STORAGE, {alias!r}, may lose bodies in a power cut."
        return [checks.Warning(text, hint=hint, id="notifications.W007")]
    return []


def check_body_storage_is_shared(**_: Any) -> list[CheckMessage]:
    """With PostgreSQL there may be several machines."""
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    if conf.body_storage_alias or not engine.endswith("postgresql"):
        return []
    hint = "With process_raw on more than one machine, set NOTIFICATIONS_BODY_STORAGE (the site: S3_BUCKET)."
    text = "Large bodies are in a folder of this machine: other machines cannot read them."
    return [checks.Warning(text, hint=hint, id="notifications.W008")]


CHECKS: Final = (check_body_storage,)
DEPLOY_CHECKS: Final = (check_body_storage_is_shared,)
