"""A folder as a storage that keeps what it has taken, through a power cut too: Django's own does not sync."""

import os
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from notifications.folders import make_private

#: Folder of files that are being written, below the storage's own.
TEMPORARY: Final = ".tmp"
#: Seconds after which such a file has no writer any more.
ABANDONED: Final = 3600.0


@deconstructible
class FolderStorage(FileSystemStorage):
    """Files are written beside, synced, and renamed into place: each is there whole, or not at all.

    For this user alone; saving under a name that is there replaces the file. Options are those of FileSystemStorage.
    """

    def __init__(self, location: str | Path | None = None, **options: Any) -> None:
        private = {"allow_overwrite": True, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        super().__init__(location, **(private | options))

    def _save(self, name: str, content: "File[Any]") -> str:
        path, location = Path(self.path(name)), Path(self.location)
        write_durably(path, content.chunks(), temporary=location / TEMPORARY, mode=self.file_permissions_mode or 0o600)
        _sync_folders(path.parent, location)
        return path.relative_to(location).as_posix()


def write_durably(path: Path, chunks: Iterable[bytes], *, temporary: Path, mode: int = 0o600) -> None:
    """Write a file that is whole, and on the disk, once it has its name. Raises OSError.

    `temporary` is a folder on the same disk; what writers that were killed have left there goes.
    """
    make_private(path.parent)
    make_private(temporary)
    _remove_abandoned(temporary)
    written = temporary / uuid.uuid4().hex
    try:
        with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        written.rename(path)
    finally:
        written.unlink(missing_ok=True)
    _sync(path.parent)


def _sync_folders(folder: Path, top: Path) -> None:
    """Those above `folder` up to the one that `top` is in: any of them may be new."""
    while folder != top.parent:
        folder = folder.parent
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(temporary: Path) -> None:
    for path in temporary.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()
