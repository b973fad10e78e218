"""Files and folders that are on the disk, through a power cut too, once these functions return."""

import os
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.folders import make_private

#: Seconds after which a file that was being written has no writer any more.
ABANDONED: Final = 3600.0


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
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder. Raises OSError."""
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
