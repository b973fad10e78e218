"""The embedded journal: a folder of files, for machines without journald.

An entry is one line of JSON as journalctl prints it. It is written at once, with a newline before it as well, so a torn
entry (kill -9, full disk) ends where the next begins. Writers hold a shared lock on the file while they write. The one
that fills it takes the exclusive lock, marks the end and seals the file (mode 0440). Nobody writes to a sealed file: a
reader continues with the next file at its end, and knows that it was truncated if the mark is missing.
"""

import errno
import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock

from notifications.journal.base import EntryTooLarge, Found, Journal, Reader, ReadOptions, Unread, written_since
from notifications.journal.file.files import OpenFile, is_sealed, open_newest, path_of, seal, sequences
from notifications.journal.file.reader import FileReader
from notifications.journal.file.search import search
from notifications.journal.json_header import dump_header
from notifications.journal.json_lines import MAX_LINE, dump_fields
from notifications.utils.forks import renew_after_fork

#: To write to the newest file, while other writers fill and seal it.
_ATTEMPTS = 20


class FileJournal(Journal):
    """Entries in `folder` (0700), in files of about `max_file_bytes`, of which `max_files` are kept."""

    uses_files = True

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
            # Another thread is writing. flock() knows open files, not threads, so this one opens its own.
            os.close(self._write_to_newest(line).fd)
            return
        try:
            self._write_locked(line)
        finally:
            self._lock.release()

    def _reader(self, options: ReadOptions) -> Reader:
        return FileReader(self.folder, options)

    def find(self, field: str, value: str, *, since: datetime, most: int, seconds: float) -> Found:
        return search(self.folder, field, value, since_us=int(since.timestamp() * 1e6), most=most, seconds=seconds)

    def unread(self, since_us: int) -> Unread | None:
        try:
            paths = [path_of(self.folder, each) for each in sequences(self.folder)]
        except OSError:
            return None
        return Unread(written_since(paths, since_us), self.max_files * self.max_file_bytes)

    def close(self) -> None:
        with self._lock:
            self._forget()

    def after_fork(self) -> None:
        """An open file and its lock are shared with the parent, so the child opens its own."""
        self._lock = Lock()
        self._forget()

    def _write_locked(self, line: bytes) -> None:
        if self._file is None or not self._append(self._file, line):
            self._forget()
            self._file = self._write_to_newest(line)

    def _write_to_newest(self, line: bytes) -> OpenFile:
        """Opens the newest file and writes to it. Returns it. Raises OSError."""
        for _ in range(_ATTEMPTS):
            file = open_newest(self.folder)
            if file is None:
                continue
            try:
                if self._append(file, line):
                    return file
            except OSError:
                os.close(file.fd)
                raise
            os.close(file.fd)
        raise BlockingIOError(errno.EAGAIN, "other writers keep filling the file journal", str(self.folder))

    def _append(self, file: OpenFile, line: bytes) -> bool:
        """Writes the line. False if the file was sealed or removed."""
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
        """The entry is written, so an error here must not look like a failed write. The next writer seals."""
        with suppress(OSError):
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            seal(file.fd)
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        """Removes old files, all of them sealed. One place is left for the next file."""
        for sequence in sequences(self.folder)[: -max(self.max_files - 1, 1)]:
            path_of(self.folder, sequence).unlink(missing_ok=True)

    def _forget(self) -> None:
        if self._file is not None:
            os.close(self._file.fd)
            self._file = None
