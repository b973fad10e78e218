"""Damage to the archived files of a journald, at places that are known. See systemd.io/JOURNAL_FILE_FORMAT."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.journald import JournaldNamespace

ENTRY: Final = 3
ENTRY_ARRAY: Final = 6
#: In the header, and in each object.
HEADER_SIZE: Final = 88
LAST_OBJECT: Final = 136
ENTRIES: Final = 176
SIZE: Final = 8
NEXT: Final = 16


def archives(journald: JournaldNamespace) -> list[Path]:
    """The archived files in order."""
    return sorted((path for path in journald.files if "@" in path.name), key=lambda path: path.name.split("-")[-2])


def truncate(path: Path) -> None:
    """Leave a half of it."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_header(path: Path) -> None:
    overwrite(path, 0, b"?" * 64)


def spoil_value(path: Path, value: bytes) -> None:
    """Flip a bit in what entries share, such as their identifier: no filter finds them."""
    offset = path.read_bytes().index(value) + len(value) - 1
    overwrite(path, offset, bytes([value[-1] ^ 1]))


def spoil_name(path: Path, value: bytes) -> None:
    """The "=" of one value, at which journalctl ends."""
    data = path.read_bytes()
    start = data.index(value)
    overwrite(path, data.index(b"=", start), b"?")


def spoil_entries(path: Path, count: int) -> None:
    """The objects of so many entries, in the middle of the file."""
    offsets = [offset for offset, kind, _ in objects(path) if kind == ENTRY]
    middle = len(offsets) // 2
    for offset in offsets[middle : middle + count]:
        overwrite(path, offset + 16, b"\0" * 48)


def spoil_index(path: Path) -> None:
    """What says which entries have which value; what says which entries there are stays."""
    data, whole = path.read_bytes(), set()
    (offset,) = struct.unpack_from("<Q", data, ENTRIES)
    while offset:
        whole.add(offset)
        (offset,) = struct.unpack_from("<Q", data, offset + NEXT)
    for offset, kind, _ in objects(path):
        if kind == ENTRY_ARRAY and offset not in whole:
            overwrite(path, offset + NEXT + 8, b"\xff" * 8)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def objects(path: Path) -> Iterator[tuple[int, int, int]]:
    """Offset, kind and size of each object."""
    data = path.read_bytes()
    (offset,) = struct.unpack_from("<Q", data, HEADER_SIZE)
    (last,) = struct.unpack_from("<Q", data, LAST_OBJECT)
    while offset <= last:
        (size,) = struct.unpack_from("<Q", data, offset + SIZE)
        yield offset, data[offset], size
        offset += (size + 7) & ~7
