"""One running journalctl: its entries, and what it says when it ends."""

import fcntl
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from notifications.journal.base import FIELDS
from notifications.journal.export import ExportBuffer

_PIPE = 1024 * 1024  # the most that an unprivileged process may ask for, fs.pipe-max-size
_CHUNK = 64 * 1024  # more takes no less time, and 27 MB of memory with the seven readers of a site
_SECONDS_TO_END = 5


def command(namespace: str, *arguments: str, fields: Sequence[str] = FIELDS, folder: Path | None = None) -> list[str]:
    """journalctl as `export.ExportBuffer` reads it. `folder`: see `journald_bell`."""
    options = ["-o", "export", "--no-pager", f"--output-fields={','.join(fields)}"]
    if folder:
        options += [f"--directory={folder}", "--merge"]
    elif namespace:
        options.append(f"--namespace={namespace}")
    return ["journalctl", *options, *arguments]


class Journalctl:
    """Its output is read without waiting. Not thread-safe. Raises OSError where it cannot be started."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.entries = ExportBuffer()
        self.ended = False
        self._message = b""
        # In a process group of its own: Ctrl-C in a terminal must reach the worker alone.
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
        """Read what is there into `entries`. False where nothing is; then `ended` says whether that is all."""
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
        """Empty the pipe of stderr, which would stop journalctl when full, and keep the end."""
        try:
            self._message = (self._message + os.read(self._stderr.fileno(), 65536))[-4096:]
        except BlockingIOError:
            return

    def error(self) -> str | None:
        """After the end: the last line of stderr, or None if it ended well."""
        try:
            code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return "journalctl closed its output, but did not end"
        self._read_message()
        if not code:
            return None
        return last_line(self._message) or f"journalctl ended with {code}"

    def close(self) -> None:
        """Kill it if it still runs, and be it stopped."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # waits for a dead disk; it ends with that
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
