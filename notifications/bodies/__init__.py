"""The storage of large bodies."""

from notifications.bodies.folder_storage import FolderStorage

__all__ = ["FolderStorage"]
