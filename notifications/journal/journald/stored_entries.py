"""Questions about the stored entries of a journald, before and while they are read."""

import errno
import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from notifications.journal.journald.export_format import parse_entry
from notifications.journal.journald.journalctl import command, last_line

_FOLDERS = (Path("/var/log/journal"), Path("/run/log/journal"))
#: Seconds that a call of journalctl may hold up the worker loop; the loop's watchdog allows more.
PROBE_SECONDS = 5


def entry_at(namespace: str, cursor: str, *, folder: Path | None = None) -> str | None:
    """Returns the cursor of this entry, or of the first one after it that is left; None if nothing is left.

    No filter is used, so the entry may be anybody's. Raises ValueError if the cursor is invalid, and OSError if
    journalctl does not work or cannot print that entry. `folder` is searched instead of the namespace's.
    """
    arguments = command(namespace, f"--cursor={cursor}", "-n", "1", fields=["_PID"], folder=folder)
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(errno.ETIMEDOUT, "journalctl did not find the cursor in time") from error
    except ValueError as error:  # a NUL in an argument
        raise ValueError(f"{cursor!r} is not a cursor of journald") from error
    if done.returncode:
        message = last_line(done.stderr)
        if "seek to cursor" in message:
            raise ValueError(f"{cursor!r} is not a cursor of journald: {message}")
        raise OSError(errno.EIO, message or f"journalctl ended with {done.returncode}")
    return str(parse_entry(done.stdout, 0)[0]["__CURSOR"]) if done.stdout else None


def journal_paths(namespace: str, machine_id: str = "") -> list[Path]:
    """The folders that may hold the journal of this machine, or of another machine id. systemd names them after it."""
    machine_id = machine_id or _machine_id()
    name = f"{machine_id}.{namespace}" if namespace else machine_id
    return [folder / name for folder in _FOLDERS] if machine_id else []


def journal_folders(namespace: str) -> set[tuple[int, int]]:
    """Returns the folders (device, inode) that hold the journal now."""
    found = set()
    for path in journal_paths(namespace):
        with suppress(OSError):
            status = os.stat(path)
            found.add((status.st_dev, status.st_ino))
    return found


@cache
def _machine_id() -> str:
    """It changes only between two boots."""
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
