"""How many bytes a journald keeps: its SystemMaxUse=, or its own default (man journald.conf)."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from notifications.journal.journald.stored_entries import journal_paths

#: Settings of the administrator; drop-ins come after them, and win.
SETTINGS: Final = Path("/etc/systemd")
UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MAX_USE: Final = re.compile(r"^\s*SystemMaxUse\s*=\s*(\d+)([KMGT]?)\s*$", re.MULTILINE)
#: The default: this part of the file system, and no more than that.
PART: Final = 0.1
MOST: Final = 4 << 30


class Stored(NamedTuple):
    """The files of a journal, and how many bytes they may have together."""

    paths: list[Path]
    quota: int


def stored(namespace: str) -> Stored | None:
    """None if there are none, or this user may not list them."""
    for folder in journal_paths(namespace):
        try:
            paths = [folder / name for name in os.listdir(folder) if ".journal" in name]
            disk = os.statvfs(folder)
        except OSError:  # the other folder has them
            continue
        if paths:
            return Stored(paths, _set(namespace) or int(min(PART * disk.f_blocks * disk.f_frsize, MOST)))
    return None


def _set(namespace: str) -> int:
    """SystemMaxUse= in bytes; 0 if nothing sets it."""
    found = 0
    for path in _files(namespace):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        for number, unit in MAX_USE.findall(text):
            found = int(number) * UNITS[unit]
    return found


def _files(namespace: str) -> Iterator[Path]:
    name = f"journald@{namespace}.conf" if namespace else "journald.conf"
    yield SETTINGS / name
    yield from sorted((SETTINGS / f"{name}.d").glob("*.conf"))
