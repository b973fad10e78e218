"""Finds entries of the file journal by the value of a field: by its bytes, which is faster than parsing each line."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from notifications.journal.base import Entry, Found
from notifications.journal.file.files import path_of, sequences
from notifications.journal.json_lines import MAX_LINE, parse, time_us

#: Bytes to read between two looks at the clock.
CHUNK: Final = 1024 * 1024


class Line(NamedTuple):
    """A line of a file. `end`: the offset behind its newline."""

    sequence: int
    end: int
    text: bytes


def search(folder: Path, field: str, value: str, *, since_us: int, most: int, seconds: float) -> Found:
    """For `Journal.find`. Raises OSError."""
    needle = orjson.dumps({field: value})[1:-1]  # in another value it would have its quotes escaped
    found: deque[Entry] = deque(maxlen=most + 1)
    try:
        for line in _lines(folder, needle, since_us, time.monotonic() + seconds):
            fields = parse(line.text)
            microseconds = None if fields is None else time_us(fields)
            if fields and microseconds is not None and fields.get(field) == value and microseconds >= since_us:
                found.append(Entry(f"{line.sequence}:{line.end}", microseconds, fields))
    except TimeoutError:
        return Found(list(found)[-most:], whole=False)
    return Found(list(found)[-most:], len(found) <= most)


def _lines(folder: Path, needle: bytes, since_us: int, until: float) -> Iterator[Line]:
    """The whole lines with these bytes, in the files that were written to since then. Raises TimeoutError."""
    for sequence in sequences(folder, missing_ok=True):
        with suppress(FileNotFoundError), path_of(folder, sequence).open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_mtime_ns // 1000 < since_us:
                continue
            rest, offset = b"", 0
            while chunk := file.read(CHUNK):
                if time.monotonic() >= until:
                    raise TimeoutError
                data = rest + chunk
                yield from _matches(sequence, offset, data, needle)
                offset += data.rfind(b"\n") + 1
                rest = data[data.rfind(b"\n") + 1 :]
                if len(rest) > MAX_LINE:  # no entry: readers skip it too
                    offset, rest = offset + len(rest), b""


def _matches(sequence: int, offset: int, data: bytes, needle: bytes) -> Iterator[Line]:
    at = data.find(needle)
    while at >= 0 and (end := data.find(b"\n", at)) >= 0:
        yield Line(sequence, offset + end + 1, data[data.rfind(b"\n", 0, at) + 1 : end])
        at = data.find(needle, end)
