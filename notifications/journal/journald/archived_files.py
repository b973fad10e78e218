"""Lists the files of a journald by `journalctl --header`: which entries each has, and which cannot be opened."""

import errno
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from notifications.journal.journald.cursor import Cursor
from notifications.journal.journald.stored_entries import PROBE_SECONDS, journal_paths

#: A listing is worthless if files were rotated meanwhile.
ATTEMPTS: Final = 5
PATH: Final = "File path"
#: system@<id of the numbers>-<first number>-<time>.journal
ARCHIVED: Final = ".journal"


class JournalFile(NamedTuple):
    """A file that journalctl reads. Its entries have numbers from `head` to `tail` in the series `id`.

    Some numbers in between may belong to other files, which journald counts together. Times are microseconds.
    """

    path: Path
    id: str
    head: int
    tail: int
    head_us: int
    tail_us: int
    #: Whether journald closed it in order, and does not write to it any more.
    is_archived: bool

    def has_after(self, cursor: Cursor) -> bool:
        """Whether it has entries after this one."""
        if self.id == cursor.id and cursor.number is not None:
            return self.tail > cursor.number
        return self.tail_us > (cursor.time_us or 0)


class Listing(NamedTuple):
    """The files of a journal. `ignored` are readable archived files that journalctl cannot open."""

    files: list[JournalFile]
    ignored: list[Path]
    #: Whether there are files that this user may not read.
    forbidden: bool


def list_files(namespace: str) -> Listing:
    """Lists the files that are there now. Raises OSError, also if journald keeps rotating them."""
    for _ in range(ATTEMPTS):
        before = folder_times(namespace)
        listing = _list(namespace)
        if folder_times(namespace) == before:
            return listing
    raise BlockingIOError(errno.EAGAIN, "journald keeps rotating its files")


def folder_times(namespace: str) -> list[int]:
    """For each folder of a journal: when a file was last created, renamed or removed."""
    return [_changed(path) for path in journal_paths(namespace)]


def _changed(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _list(namespace: str) -> Listing:
    files = {file.path: file for file in parse_headers(_headers(namespace))}
    others = [path for folder in journal_paths(namespace) for path in _archives(folder) if path not in files]
    readable = [path for path in others if os.access(path, os.R_OK)]
    return Listing([file for file in files.values() if file.head], readable, len(readable) < len(others))


def _headers(namespace: str) -> str:
    option = [f"--namespace={namespace}"] if namespace else []
    command = ["journalctl", "--header", "--no-pager", *option]
    try:
        # Ends with 1 if there is no file at all.
        return subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False).stdout.decode(
            errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(errno.ETIMEDOUT, "journalctl did not list its files in time") from error


def _archives(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if "@" in name and name.endswith(ARCHIVED)]
    except OSError:  # missing, or not readable
        return []


def parse_headers(text: str) -> list[JournalFile]:
    """Returns the files in the output of `journalctl --header`."""
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        if name == PATH:
            found.append({})
        if found:
            found[-1][name.strip()] = value
    return [_file(values) for values in found]


def _file(values: Mapping[str, str]) -> JournalFile:
    path = Path(values[PATH])
    head, tail, head_us, tail_us = (
        _hexadecimal(values.get(f"{end} {what}", ""))
        for what in ("sequential number", "realtime timestamp")
        for end in ("Head", "Tail")
    )
    is_archived = values.get("State") == "ARCHIVED" and path.name.endswith(ARCHIVED)
    return JournalFile(path, values.get("Sequential number ID", ""), head, tail, head_us, tail_us, is_archived)


def _hexadecimal(value: str) -> int:
    """Of "8008 (1f48)", or "Sat 2026-11-28 18:50:53 UTC (6615aa7f9f56f)"; 0 if a file has no entries."""
    try:
        return int(value.rpartition("(")[2].rstrip(")"), 16)
    except ValueError:
        return 0
