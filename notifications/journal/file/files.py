"""The files of the embedded journal: `00000001.journal` and so on in one folder."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from notifications.utils.private_folders import make_private

_SUFFIX = ".journal"
#: Empty lines, which readers skip, also after an entry that broke off.
_MARK = b"\n\n\n"
#: The mode of a sealed file whose end is marked.
_MARKED = stat.S_IRUSR | stat.S_IRGRP
_WRITE = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC


class OpenFile(NamedTuple):
    """A file opened for appending."""

    sequence: int
    fd: int


def path_of(folder: Path, sequence: int) -> Path:
    return folder / f"{sequence:08}{_SUFFIX}"


def sequences(folder: Path, *, missing_ok: bool = False) -> list[int]:
    """Returns the numbers of the files, oldest first. Raises OSError if the folder cannot be read."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        if missing_ok:
            return []
        raise
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def is_sealed(status: os.stat_result) -> bool:
    """A sealed file gets no more entries."""
    return not status.st_mode & stat.S_IWUSR


def seal(descriptor: int) -> None:
    """Marks the end of a file and seals it. On OSError it is not sealed, and may be marked again."""
    if os.write(descriptor, _MARK) == len(_MARK):
        os.fchmod(descriptor, _MARKED)


def is_cut(descriptor: int, status: os.stat_result) -> bool:
    """Whether a sealed file has lost the mark at its end. Files of older releases never had one."""
    if stat.S_IMODE(status.st_mode) != _MARKED:
        return False
    return os.pread(descriptor, len(_MARK), max(status.st_size - len(_MARK), 0)) != _MARK


def parse_position(position: str) -> tuple[int, int]:
    """Returns (number of the file, offset in bytes) for "3:1024". Raises ValueError for anything else."""
    if not is_position(position):
        raise ValueError(f"{position!r} is not a position of a file journal; those look like 3:1024.")
    sequence, _, offset = position.partition(":")
    return int(sequence), int(offset)


def is_position(text: str) -> bool:
    """Whether `parse_position` accepts it."""
    sequence, colon, offset = text.partition(":")
    return bool(colon) and _is_number(sequence) and _is_number(offset)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def open_newest(folder: Path) -> OpenFile | None:
    """Opens the file to write to, and makes it if necessary. None if other writers were faster: try again.

    It may be sealed by the time it is locked. Raises OSError.
    """
    newest = max(sequences(folder, missing_ok=True), default=0)
    with suppress(FileNotFoundError):
        if newest and not is_sealed(path_of(folder, newest).stat()):
            return _open(folder, newest, _WRITE)
    make_private(folder)
    file = _open(folder, newest + 1, _WRITE | os.O_CREAT)
    return file and _unless_stale(folder, file)


def _unless_stale(folder: Path, file: OpenFile) -> OpenFile | None:
    """None if newer files exist. The file is sealed then, so no reader waits for its end."""
    if max(sequences(folder), default=0) == file.sequence:
        return file
    try:
        os.fchmod(file.fd, stat.S_IRUSR)
    finally:
        os.close(file.fd)
    return None


def _open(folder: Path, sequence: int, flags: int) -> OpenFile | None:
    """None if the file is sealed: only root may open such a file for writing."""
    path = path_of(folder, sequence)
    try:
        return OpenFile(sequence, os.open(path, flags, 0o600))
    except PermissionError:
        with suppress(FileNotFoundError):  # the folder is not writable
            if is_sealed(path.stat()):
                return None
        raise
