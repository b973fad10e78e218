"""What is asked of a journald's stored entries before and while they are read."""

import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import orjson

from notifications.journal.base import Gap
from notifications.journal.journalctl import command, last_line

_FOLDERS = (Path("/var/log/journal"), Path("/run/log/journal"))
_PROBE_SECONDS = 30


def check_cursor(namespace: str, cursor: str) -> Gap | None:
    """Is the entry with this cursor still there? Asked without a filter, which it need not match.

    Raises ValueError for what is no cursor, OSError where journalctl does not work.
    """
    arguments = command(namespace, f"--cursor={cursor}", "-n", "1", fields=["_PID"])
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(errno.ETIMEDOUT, "journalctl did not find the cursor in time") from error
    except ValueError as error:  # a NUL in an argument
        raise ValueError(f"{cursor!r} is no cursor of journald") from error
    if done.returncode:
        message = last_line(done.stderr)
        if "seek to cursor" in message:
            raise ValueError(f"{cursor!r} is no cursor of journald: {message}")
        raise OSError(errno.EIO, message or f"journalctl ended with {done.returncode}")
    first = orjson.loads(done.stdout)["__CURSOR"] if done.stdout else None
    return None if first == cursor else Gap(cursor, "the entry at this position was removed")


def journal_folders(namespace: str) -> set[tuple[int, int]]:
    """Which folders (device, inode) hold the journal now. systemd names them after machine and namespace."""
    name = _machine_id() + (f".{namespace}" if namespace else "")
    found = set()
    for folder in _FOLDERS:
        with suppress(OSError):
            status = os.stat(folder / name)
            found.add((status.st_dev, status.st_ino))
    return found


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
