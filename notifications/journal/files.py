"""The files of the embedded journal: `00000001.journal` and so on in one folder."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from notifications.folders import make_private

_SUFFIX = ".journal"
_WRITE = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_ATTEMPTS = 10


class OpenFile(NamedTuple):
    """A file opened for appending."""

    sequence: int
    fd: int


def path_of(folder: Path, sequence: int) -> Path:
    return folder / f"{sequence:08}{_SUFFIX}"


def sequences(folder: Path, *, missing_ok: bool = False) -> list[int]:
    """The numbers of the files that are there, oldest first. Raises OSError for an unreadable folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        if missing_ok:
            return []
        raise
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def is_sealed(status: os.stat_result) -> bool:
    """Sealed files get no more entries."""
    return not status.st_mode & stat.S_IWUSR


def parse_position(position: str) -> tuple[int, int]:
    """(number of the file, offset in bytes) of "3:1024". Raises ValueError for anything else."""
    sequence, colon, offset = position.partition(":")
    if not (colon and _is_number(sequence) and _is_number(offset)):
        raise ValueError(f"{position!r} is no position of a file journal; they look like 3:1024.")
    return int(sequence), int(offset)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def open_newest(folder: Path) -> OpenFile:
    """The file to write to, made if need be. It may be sealed by the time it is locked. Raises OSError."""
    for _ in range(_ATTEMPTS):
        file = _open_or_create(folder)
        if file is not None:
            return file
    raise BlockingIOError(errno.EAGAIN, "other writers keep filling the file journal", str(folder))


def _open_or_create(folder: Path) -> OpenFile | None:
    """The newest file, or a new one after it; None where other writers were faster."""
    newest = max(sequences(folder, missing_ok=True), default=0)
    with suppress(FileNotFoundError):
        if newest and not is_sealed(path_of(folder, newest).stat()):
            return _open(folder, newest, _WRITE)
    make_private(folder)
    file = _open(folder, newest + 1, _WRITE | os.O_CREAT)
    return file and _unless_stale(folder, file)


def _unless_stale(folder: Path, file: OpenFile) -> OpenFile | None:
    """None for a file created behind the others: it is sealed, so that no reader waits for its end."""
    if max(sequences(folder), default=0) == file.sequence:
        return file
    try:
        os.fchmod(file.fd, stat.S_IRUSR)
    finally:
        os.close(file.fd)
    return None


def _open(folder: Path, sequence: int, flags: int) -> OpenFile | None:
    """None for a sealed file, which only root may open for writing."""
    path = path_of(folder, sequence)
    try:
        return OpenFile(sequence, os.open(path, flags, 0o600))
    except PermissionError:
        if is_sealed(path.stat()):
            return None
        raise
