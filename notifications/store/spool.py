"""Where payloads wait while the database is away: one file each, named by its receipt.

A file is written under a temporary name, synced and renamed, and its folder synced: under its own name it is whole
and survives a power cut. `process_raw` imports each once, by its receipt, then unlinks it.
"""

import heapq
import logging
import os
import re
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from notifications.conf import conf
from notifications.store.new_payload import Record, from_bytes, to_bytes
from notifications.store.spool_quota import SpoolBytes, SpoolFull
from notifications.utils.durable_files import ABANDONED, sync_folder
from notifications.utils.private_folders import make_private

__all__ = ["Spool", "SpoolFull", "Waiting", "spool"]

logger = logging.getLogger(__name__)

RECEIPT: Final = re.compile(r"[0-9a-f]{32}")
TEMPORARY: Final = ".tmp"
DAMAGED: Final = ".damaged"
UNREADABLE: Final = ".unreadable"
#: Older releases set these aside; this one imports them.
KEY_REUSED: Final = ".key-reused"
SET_ASIDE: Final = (DAMAGED, UNREADABLE, KEY_REUSED)


class Waiting(NamedTuple):
    """What is in the spool. `oldest`: its arrival, in seconds since the epoch. `bytes`: of all files."""

    files: int
    oldest: float | None
    bytes: int
    set_aside: int


class Spool:
    """The spool folder below the state directory. Any process and thread may write."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._bytes = SpoolBytes(folder.with_name(f"{folder.name}.bytes"), folder, lambda: self.look().bytes)

    def write(self, record: Record, *, share: float = 1.0) -> bool:
        """Store a record for good. Returns False if its receipt and body are there already.

        It may fill the spool up to `share` of the quota. Raises FileExistsError if the receipt is there with another
        body, SpoolFull, and OSError.
        """
        data = to_bytes(record)
        if not self.folder.exists():
            make_private(self.folder)
        new = False
        with self._bytes.reserved(len(data), int(self.max_bytes * share)):
            try:
                new = self._write(data, record)
            finally:
                if not new:
                    self._bytes.release(len(data))
        return new

    def holds(self, record: Record) -> bool:
        """Whether a record with its receipt and body waits. Raises FileExistsError for another body, and OSError."""
        path = self.folder / record.receipt.hex
        try:
            os.stat(path)  # nearly always missing
            there = self.read(path)
        except FileNotFoundError:
            return False
        if there is not None and there.digest != record.digest:
            raise FileExistsError(record.receipt.hex)
        return there is not None

    def waiting(self, limit: int | None = None) -> list[Path]:
        """Files to import, the oldest first. Removes temporary files of killed writers. Raises OSError."""
        arrivals = self._arrivals()
        oldest = sorted(arrivals) if limit is None else heapq.nsmallest(limit, arrivals)
        return [self.folder / name for _, name in oldest]

    def aside(self) -> set[Path]:
        """Files that were set aside. Raises OSError."""
        found = (self.folder / entry.name for entry, _ in self._entries())
        return {path for path in found if is_aside(path)}

    def look(self) -> Waiting:
        """Count the files. Raises OSError."""
        files = total = set_aside = 0
        oldest: int | None = None
        for entry, found in self._entries():
            if entry.name.endswith(TEMPORARY) and found.st_nlink > 1:  # just published: counted under its own name
                continue
            total += found.st_size
            if RECEIPT.fullmatch(entry.name):
                files += 1
                oldest = found.st_mtime_ns if oldest is None else min(oldest, found.st_mtime_ns)
            else:
                set_aside += is_aside(Path(entry.name))
        return Waiting(files, None if oldest is None else oldest / 1e9, total, set_aside)

    def used(self) -> int:
        """The bytes in it, without a look at its files. Raises OSError."""
        return self._bytes.used()

    def read(self, path: Path) -> Record | None:
        """The record in a file; None if it is damaged or we may not read it: then it is set aside.

        Raises OSError; FileNotFoundError means that another worker has imported it.
        """
        try:
            record = from_bytes(path.read_bytes())
            if record.receipt.hex != path.name.partition(".")[0]:
                raise ValueError("the receipt is not its file's name")
            return record
        except ValueError:
            self.set_aside(path, DAMAGED)
        except PermissionError:
            self.set_aside(path, UNREADABLE)
        return None

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove imported files. Raises OSError."""
        removed = 0
        with self._bytes.changing():
            for path in paths:
                with suppress(FileNotFoundError):  # another worker was faster
                    size = path.stat().st_size
                    path.unlink()
                    removed += size
            if removed:
                sync_folder(self.folder)
                self._bytes.release(removed)

    def count_again(self) -> None:
        """Correct the quota's number of bytes. Raises OSError."""
        self._bytes.count_again()

    def set_aside(self, path: Path, suffix: str) -> None:
        """Keep a file that cannot be imported, under a free name that says why."""
        if is_aside(path):
            return
        aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{suffix}")
        try:
            path.rename(aside)
        except FileNotFoundError:  # another worker was faster
            return
        sync_folder(self.folder)
        logger.error("A payload cannot be imported and waits for an operator: %s", aside)

    def _write(self, data: bytes, record: Record) -> bool:
        path = self.folder / record.receipt.hex
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
        try:
            _write_synced(temporary, data, int(record.received_at.timestamp() * 1e6) * 1000)
            return self._publish(temporary, path, record)
        finally:
            temporary.unlink(missing_ok=True)

    def _publish(self, temporary: Path, path: Path, record: Record) -> bool:
        """Give a whole file its name. Returns False if it is there already, with this body."""
        new = False
        while not new:
            try:
                os.link(temporary, path)  # unlike rename, it never replaces
                new = True
            except FileExistsError:
                if self.holds(record):
                    break
                # it was just imported or set aside: the name is free
        sync_folder(self.folder)
        return new

    def _arrivals(self) -> Iterator[tuple[int, str]]:
        for entry, found in self._entries():
            if RECEIPT.fullmatch(entry.name):
                yield found.st_mtime_ns, entry.name
            elif entry.name.endswith(TEMPORARY) and time.time() - found.st_mtime > ABANDONED:
                Path(entry.path).unlink(missing_ok=True)

    def _entries(self) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        try:
            entries = os.scandir(self.folder)
        except FileNotFoundError:  # never used
            return
        with entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # just imported
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        yield entry, found


def is_aside(path: Path) -> bool:
    """Whether a file of the spool was set aside."""
    return path.name.endswith(SET_ASIDE)


def spool() -> Spool:
    """The spool of this machine."""
    key = conf.state_dir, conf.spool_max_bytes
    found = _spools.get(key)
    if found is None:
        found = _spools.setdefault(key, Spool(key[0] / "spool", key[1]))
    return found


def _write_synced(path: Path, data: bytes, time_ns: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.utime(descriptor, ns=(time_ns, time_ns))  # keeps the order of arrivals within one kernel tick
        os.fsync(descriptor)


_spools: dict[tuple[Path, int], Spool] = {}
