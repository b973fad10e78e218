"""A folder as a storage that keeps what it has taken, through a power cut too: Django's own does not sync."""

from pathlib import Path
from typing import Any, Final

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from notifications.durable import sync_folder, write_durably

#: Folder of files that are being written, below the storage's own.
TEMPORARY: Final = ".tmp"


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


def _sync_folders(folder: Path, top: Path) -> None:
    """Those above `folder` up to the one that `top` is in: any of them may be new."""
    while folder != top.parent:
        folder = folder.parent
        sync_folder(folder)
