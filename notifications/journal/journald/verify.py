"""Whether archived files are as journald wrote them, by `journalctl --verify`, which reads 40 MB a second.

A file that was closed in order passes. One that a killed journald left (its name ends with ~) may fail though all its
entries are there, so it is not verified.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from threading import Lock
from typing import IO, Final

from notifications.journal.journald.journalctl import last_line
from notifications.utils.forks import renew_after_fork

#: Ends of journalctl's message that do not mean that the file is damaged.
HARMLESS: Final = (
    "No space left on device",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "No such file or directory",
    "Too many open files",
    "Cannot allocate memory",
    "Disk quota exceeded",
)

#: Device, inode, size, time of the last change.
Identity = tuple[int, int, int, int]


#: A journalctl, and the file that it writes its messages to.
Running = tuple[subprocess.Popen[bytes], IO[bytes]]


class Verifications:
    """For all readers of this process: each file is verified once, by one journalctl."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[Identity, str] = {}
        self._running: dict[Identity, Running] = {}
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Running verifications are the parent's."""
        self._lock, self._running = Lock(), {}

    def damage(self, path: Path) -> str | None:
        """Returns what is damaged in a file, "" if nothing is. None: ask again in a moment. Raises OSError."""
        try:
            status = os.stat(path)
        except FileNotFoundError:  # removed just now
            return ""
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            if identity not in self._known and not self._ended(identity, path):
                return None
            return self._known[identity]

    def _ended(self, identity: Identity, path: Path) -> bool:
        """Starts the verification, or checks whether it has ended."""
        if identity not in self._running:
            self._running[identity] = _start(path)
        process, messages = self._running[identity]
        if process.poll() is None:
            return False
        with messages:
            messages.seek(0)
            self._known[identity] = _damage(process.returncode, last_line(messages.read()))
        del self._running[identity]
        return True


verifications: Final = Verifications()


def _start(path: Path) -> Running:
    messages = tempfile.TemporaryFile()  # noqa: SIM115  closed where it is read
    command = ["journalctl", "--verify", f"--file={path}"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=messages, process_group=0
    )
    return process, messages


def _damage(code: int, message: str) -> str:
    if code <= 0 or any(each in message for each in HARMLESS):  # passed, or killed
        return ""
    return message.rpartition("(")[2].rstrip(")") or f"journalctl --verify ended with {code}"
