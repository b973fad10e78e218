"""Where payloads wait while the database is away: one file each, named by its receipt.

Written as a temporary file, synced, renamed, and the folder synced, so that a file under its own name is whole and
survives a power cut. `process_raw` imports each once, by its receipt, and unlinks it then.
"""

import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.folders import make_private
from notifications.raw.record import Record, from_bytes, to_bytes

logger = logging.getLogger(__name__)

RECEIPT: Final = re.compile(r"[0-9a-f]{32}")
TEMPORARY: Final = ".tmp"
#: Seconds after which a temporary file has no writer any more.
ABANDONED: Final = 3600.0
DAMAGED: Final = ".damaged"
UNREADABLE: Final = ".unreadable"
KEY_REUSED: Final = ".key-reused"
SET_ASIDE: Final = (DAMAGED, UNREADABLE, KEY_REUSED)


class SpoolFull(OSError):
    """The spool holds as much as it may; the caller has nowhere to store."""


class Spool:
    """The spool folder below the state directory. Any process and thread may write."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._counted_at = float("-inf")
        self._bytes = 0
        self._lock = threading.Lock()

    def write(self, record: Record) -> bool:
        """Store a record for good. Gives False when its receipt and body are there already.

        Raises FileExistsError when the receipt is there with another body, SpoolFull, and OSError.
        """
        path, data = self.folder / record.receipt.hex, to_bytes(record)
        make_private(self.folder)
        self._reserve(len(data))
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
        try:
            _write_synced(temporary, data)
            return self._publish(temporary, path, record)
        finally:
            temporary.unlink(missing_ok=True)

    def waiting(self) -> list[Path]:
        """Files to import, oldest first. Raises OSError."""
        return [path for _, path in self.arrivals()]

    def count_set_aside(self) -> int:
        """Files that could not be imported and wait for somebody to look at them. Raises OSError."""
        return sum(entry.name.endswith(SET_ASIDE) for entry, _ in _entries(self.folder))

    def arrivals(self) -> list[tuple[float, Path]]:
        """When each file to import arrived (seconds since the epoch), oldest first. Raises OSError."""
        found = []
        for entry, stat in _entries(self.folder):
            if RECEIPT.fullmatch(entry.name):
                found.append((stat.st_mtime_ns / 1e9, Path(entry.path)))
            elif entry.name.endswith(TEMPORARY) and time.time() - stat.st_mtime > ABANDONED:
                Path(entry.path).unlink(missing_ok=True)
        return sorted(found)

    def read(self, path: Path) -> Record | None:
        """The record in a file; None when it is damaged or not for us to read, and then it is set aside.

        Raises OSError, of which FileNotFoundError says that somebody else has imported it.
        """
        try:
            return from_bytes(path.read_bytes())
        except ValueError:
            self.set_aside(path, DAMAGED)
        except PermissionError:
            self.set_aside(path, UNREADABLE)
        return None

    def remove(self, path: Path) -> None:
        """Forget a file that was imported."""
        path.unlink(missing_ok=True)
        _sync_folder(self.folder)

    def set_aside(self, path: Path, suffix: str) -> None:
        """Keep a file that cannot be imported, out of the way, under a name that says why and is not taken."""
        aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{suffix}")
        try:
            path.rename(aside)
        except FileNotFoundError:  # another worker was faster
            return
        _sync_folder(self.folder)
        logger.error("A payload cannot be imported and waits for somebody to look at it: %s", aside)

    def _publish(self, temporary: Path, path: Path, record: Record) -> bool:
        """Give a whole file its name. False when it is there already, with this body."""
        new = True
        try:
            os.link(temporary, path)  # unlike rename, it never replaces
        except FileExistsError:
            try:
                there = self.read(path)
            except FileNotFoundError:
                there = None
            if there is None:  # just imported, or set aside
                return self._publish(temporary, path, record)
            if there.digest != record.digest:
                raise
            new = False
        _sync_folder(self.folder)
        return new

    def _reserve(self, size: int) -> None:
        with self._lock:
            if time.monotonic() - self._counted_at > 1.0:  # others write too
                self._bytes = sum(stat.st_size for _, stat in _entries(self.folder))
                self._counted_at = time.monotonic()
            if self._bytes + size > self.max_bytes:
                raise SpoolFull(f"{self.folder} holds {self._bytes} of {self.max_bytes} bytes")
            self._bytes += size


def spool() -> Spool:
    """The spool of this machine."""
    return _spool_of(conf.state_dir / "spool", conf.spool_max_bytes)


def _spool_of(folder: Path, max_bytes: int) -> Spool:
    return _spools.setdefault((folder, max_bytes), Spool(folder, max_bytes))


def _entries(folder: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:  # nothing has ever waited
        return
    with entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # just imported
                yield entry, entry.stat()


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_spools: dict[tuple[Path, int], Spool] = {}
