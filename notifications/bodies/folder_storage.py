"""A folder as a storage whose files survive a power cut: Django's own does not sync."""

from pathlib import Path
from typing import Any, Final

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from notifications.utils.durable_files import sync_folder, write_durably

#: Folder below the storage's own for files that are being written.
TEMPORARY: Final = ".tmp"


@deconstructible
class FolderStorage(FileSystemStorage):
    """Files are written elsewhere, synced and renamed into place: each is whole, or missing.

    Only this user may read them. Saving under an existing name replaces the file. Options are FileSystemStorage's.
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
    """Sync the folders above `folder`, up to `top`'s parent: any of them may be new."""
    while folder != top.parent:
        folder = folder.parent
        sync_folder(folder)
