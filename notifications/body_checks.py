"""What can be wrong with NOTIFICATIONS_BODY_STORAGE; apps.py registers it."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.storage.handler import InvalidStorageError

from notifications.conf import conf
from notifications.raw.folder_storage import FolderStorage


@register()
def check_body_storage(**_: Any) -> list[CheckMessage]:
    """It is an alias of STORAGES, of a storage that keeps what it takes."""
    alias = conf.body_storage_alias
    if not alias:
        return []
    try:
        storage = storages[alias]
    except (InvalidStorageError, TypeError) as error:  # TypeError: no alias at all, or wrong options
        hint = f"Write one of {', '.join(map(repr, settings.STORAGES))}, or '' for the folder STATE_DIR/bodies."
        return [Error(f"NOTIFICATIONS_BODY_STORAGE is {alias!r}: {error}", hint=hint, id="notifications.E014")]
    if isinstance(storage, FileSystemStorage) and not isinstance(storage, FolderStorage):
        hint = 'Use it with "BACKEND": "notifications.raw.folder_storage.FolderStorage", which syncs.'
        text = f"NOTIFICATIONS_BODY_STORAGE, {alias!r}, may lose bodies in a power cut."
        return [checks.Warning(text, hint=hint, id="notifications.W007")]
    return []


@register(deploy=True)
def check_body_storage_is_shared(**_: Any) -> list[CheckMessage]:
    """PostgreSQL is what one takes for several machines."""
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    if conf.body_storage_alias or not engine.endswith("postgresql"):
        return []
    hint = "With process_raw on more than one machine, set NOTIFICATIONS_BODY_STORAGE (the site: S3_BUCKET)."
    text = "Large bodies are in a folder of this machine, where no other one finds them."
    return [checks.Warning(text, hint=hint, id="notifications.W008")]
