"""What is asked of a journald's stored entries before and while they are read."""

import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from notifications.journal.export import parse_entry
from notifications.journal.journalctl import command, last_line

_FOLDERS = (Path("/var/log/journal"), Path("/run/log/journal"))
#: A turn of the worker loop waits as long: less than its watchdog does.
_PROBE_SECONDS = 5


def entry_at(namespace: str, cursor: str) -> str | None:
    """The cursor of this entry, else of the first one after it that is left; None where nothing is.

    Asked without a filter, which the entry need not match. Raises ValueError for what is no cursor, OSError where
    journalctl does not work.
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
    return str(parse_entry(done.stdout, 0)[0]["__CURSOR"]) if done.stdout else None


def journal_paths(namespace: str) -> list[Path]:
    """The folders that may hold the journal. systemd names them after machine and namespace."""
    machine_id = _machine_id()
    name = f"{machine_id}.{namespace}" if namespace else machine_id
    return [folder / name for folder in _FOLDERS] if machine_id else []


def journal_folders(namespace: str) -> set[tuple[int, int]]:
    """Which folders (device, inode) hold the journal now."""
    found = set()
    for path in journal_paths(namespace):
        with suppress(OSError):
            status = os.stat(path)
            found.add((status.st_dev, status.st_ino))
    return found


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
