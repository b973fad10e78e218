"""The embedded journal: a folder of files, for machines without journald.

An entry is one line of the JSON that journalctl prints, with a newline before it too and written at once, so that
a torn entry (kill -9, full disk) ends where the next begins. Writers hold a shared lock on the file for the write;
who has filled it takes the exclusive lock and seals it (mode 0400). Nobody ever writes to it again, so a reader
that has read a sealed file to its end can go on to the next.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock

from notifications.forks import renew_after_fork
from notifications.journal.base import EntryTooLarge, Journal, Reader
from notifications.journal.file_reader import FileReader
from notifications.journal.files import OpenFile, is_sealed, open_newest, path_of, sequences
from notifications.journal.header import dump_header
from notifications.journal.lines import MAX_LINE, dump_fields

_ATTEMPTS = 10


class FileJournal(Journal):
    """Entries in `folder` (0700), in files of about `max_file_bytes`, of which `max_files` are kept."""

    def __init__(self, folder: Path, *, max_file_bytes: int = 8 * 1024 * 1024, max_files: int = 8) -> None:
        self.folder = folder.absolute()
        self.url = self.folder.as_uri()
        self.max_file_bytes = max_file_bytes
        self.max_files = max_files
        self._file: OpenFile | None = None
        self._lock = Lock()
        renew_after_fork(self)

    def encode(self, fields: Mapping[str, str]) -> bytes:
        return dump_fields(fields)

    def write(self, record: bytes) -> None:
        line = b"\n" + dump_header(time.time_ns() // 1000) + record + b"\n"
        if len(line) > MAX_LINE:
            raise EntryTooLarge(f"The entry is {len(line)} bytes as JSON; the most is {MAX_LINE}.")
        if not self._lock.acquire(blocking=False):
            self._write_beside(line)
            return
        try:
            self._write_locked(line)
        finally:
            self._lock.release()

    def open(
        self, *, after: str | None = None, since: datetime | None = None, follow: bool = True, audit: bool = False
    ) -> Reader:
        return FileReader(self.folder, after, since if after is None else None, follow=follow)

    def close(self) -> None:
        with self._lock:
            self._forget()

    def after_fork(self) -> None:
        """An open file is shared with the parent, its lock too: the child opens its own."""
        self._lock = Lock()
        self._forget()

    def _write_locked(self, line: bytes) -> None:
        if self._file is not None and self._append(self._file, line):
            return
        self._forget()
        for _ in range(_ATTEMPTS):
            self._file = open_newest(self.folder)
            if self._append(self._file, line):
                return
            self._forget()
        raise BlockingIOError(errno.EAGAIN, "other writers keep filling the file journal", str(self.folder))

    def _write_beside(self, line: bytes) -> None:
        """Another thread is writing, and flock() knows open files, not threads: use one of one's own."""
        for _ in range(_ATTEMPTS):
            file = open_newest(self.folder)
            try:
                if self._append(file, line):
                    return
            finally:
                os.close(file.fd)
        raise BlockingIOError(errno.EAGAIN, "other writers keep filling the file journal", str(self.folder))

    def _append(self, file: OpenFile, line: bytes) -> bool:
        """Write, unless the file was sealed or removed (False)."""
        fcntl.flock(file.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        try:
            status = os.fstat(file.fd)
            if is_sealed(status) or not status.st_nlink:
                return False
            if os.write(file.fd, line) != len(line):
                raise OSError(errno.ENOSPC, "only a part of the entry could be written", str(self.folder))
            if status.st_size + len(line) > self.max_file_bytes:
                self._seal(file)
            return True
        finally:
            fcntl.flock(file.fd, fcntl.LOCK_UN)

    def _seal(self, file: OpenFile) -> None:
        """The entry is written, so no failure here may look like a failed write: the next writer seals."""
        with suppress(OSError):
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(file.fd, stat.S_IRUSR)
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        """All but the newest file are sealed. One place is left for the file that comes next."""
        for sequence in sequences(self.folder)[: -max(self.max_files - 1, 1)]:
            path_of(self.folder, sequence).unlink(missing_ok=True)

    def _forget(self) -> None:
        if self._file is not None:
            os.close(self._file.fd)
            self._file = None
