"""Finds entries of a journald by the value of a field, through its index."""

import errno
import subprocess
from collections.abc import Sequence
from datetime import datetime

from notifications.journal.base import FIELDS, Entry, Found
from notifications.journal.journald.export_format import ExportBuffer
from notifications.journal.journald.journalctl import command, last_line
from notifications.journal.json_lines import time_us


def search(namespace: str, matches: Sequence[str], *, since: datetime, most: int, seconds: float) -> Found:
    """For `Journal.find`: entries with all fields, written KEY=value. Raises OSError."""
    # Reversed, or -n would mean the first ones beside --since (docs/facts.md).
    options = ["--reverse", f"--since=@{int(since.timestamp())}", f"--lines={most + 1}"]
    arguments = command(namespace, *options, *matches, fields=FIELDS)
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            process_group=0,
        )
    except subprocess.TimeoutExpired:
        return Found([], whole=False)
    if done.returncode:
        raise OSError(errno.EIO, last_line(done.stderr) or f"journalctl ended with {done.returncode}")
    entries = _entries(done.stdout)
    return Found(entries[-most:], len(entries) <= most)


def _entries(output: bytes) -> list[Entry]:
    """The oldest first."""
    buffer = ExportBuffer()
    buffer.feed(output)
    found = []
    for fields in iter(buffer.pop, None):
        microseconds = time_us(fields)
        if microseconds is not None:
            found.append(Entry(str(fields.get("__CURSOR", "")), microseconds, fields))
    return found[::-1]
