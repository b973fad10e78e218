"""One running journalctl: its entries, and its error message when it ends."""

import fcntl
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from notifications.journal.base import FIELDS
from notifications.journal.journald.export_format import ExportBuffer

_PIPE = 1024 * 1024  # the most that an unprivileged process may ask for, fs.pipe-max-size
_CHUNK = 64 * 1024  # more is not faster, and costs 27 MB with the seven readers of a site
_SECONDS_TO_END = 5


def command(namespace: str, *arguments: str, fields: Sequence[str] = FIELDS, folder: Path | None = None) -> list[str]:
    """The command whose output `export_format.ExportBuffer` reads. `folder`: see `bell`."""
    options = ["-o", "export", "--no-pager", f"--output-fields={','.join(fields)}"]
    if folder:
        options += [f"--directory={folder}", "--merge"]
    elif namespace:
        options.append(f"--namespace={namespace}")
    return ["journalctl", *options, *arguments]


class Journalctl:
    """Its output is read without waiting. For one thread. Raises OSError if it cannot be started."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.entries = ExportBuffer()
        self.ended = False
        #: The exit code, once `error()` was called.
        self.code: int | None = None
        self._message = b""
        # In its own process group: Ctrl-C in a terminal must reach the worker alone.
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        self._stdout, self._stderr = _stream(self._process.stdout), _stream(self._process.stderr)
        with suppress(OSError):  # only for speed
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._stdout.fileno()

    def fill(self) -> bool:
        """Reads what is there into `entries`. False if nothing is there; then `ended` says whether that is all."""
        self._read_message()
        try:
            chunk = os.read(self.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            self.entries.feed(chunk)
        self.ended = not chunk
        return bool(chunk)

    def _read_message(self) -> None:
        """Empties the pipe of stderr, because a full one stops journalctl. Keeps the end of the message."""
        try:
            self._message = (self._message + os.read(self._stderr.fileno(), 65536))[-4096:]
        except BlockingIOError:
            return

    def error(self) -> str | None:
        """Call it at the end. Returns the last line of stderr, or None if journalctl succeeded."""
        try:
            self.code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return "journalctl closed its output, but did not end"
        self._read_message()
        if not self.code:
            return None
        return last_line(self._message) or f"journalctl ended with {self.code}"

    def close(self) -> None:
        """Kills it if it still runs, even if it is stopped."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # it waits for a dead disk, and ends with that
            self._process.wait(_SECONDS_TO_END)
        self._stdout.close()
        self._stderr.close()


def last_line(message: bytes) -> str:
    lines = message.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("journalctl was started without pipes")
    os.set_blocking(pipe.fileno(), False)
    return pipe
