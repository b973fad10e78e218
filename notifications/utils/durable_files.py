"""Writes files that survive a power cut."""

import os
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.utils.private_folders import make_private

#: A temporary file this many seconds old has no writer.
ABANDONED: Final = 3600.0


def write_durably(path: Path, chunks: Iterable[bytes], *, temporary: Path, mode: int = 0o600) -> None:
    """Write a file: once it has its name, it is whole and on disk. Raises OSError.

    `temporary` is a folder on the same disk. Files of killed writers there are deleted.
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
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder. Raises OSError."""
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
