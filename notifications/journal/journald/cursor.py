"""What a cursor of journald says: `s=<id of the numbers>;i=<number>;b=<boot>;m=…;t=<µs since 1970>;x=…`, in hex.

docs/facts.md: the numbers count every entry of a namespace, and continue over rotation, restart and kill of journald.
`--cursor` of a removed entry shows the first one after it that is left. Files of single users (user-1000.journal) may
have ids of their own.
"""

from typing import NamedTuple

from notifications.journal.base import Gap


class Cursor(NamedTuple):
    """The parts that we need. None if a part is missing or is not a number."""

    id: str
    number: int | None
    time_us: int | None


def parse_cursor(cursor: str) -> Cursor:
    parts = dict(part.partition("=")[::2] for part in cursor.split(";"))
    return Cursor(parts.get("s", ""), _hexadecimal(parts.get("i", "")), _hexadecimal(parts.get("t", "")))


def with_number(cursor: str, number: int) -> str:
    """The cursor of another entry in the same series, or of the first one after it that is left."""
    parts = [f"i={number:x}" if part.startswith("i=") else part for part in cursor.split(";")]
    return ";".join(part for part in parts if not part.startswith("x="))


def gap_between(position: str, first: str) -> Gap | None:
    """The entries that were removed after a position. `first` is the first entry that is left from there on."""
    if first == position:
        return None
    last_read, left = parse_cursor(position), parse_cursor(first)
    removed = None
    if last_read.id == left.id and last_read.number is not None and left.number is not None:
        removed = left.number - last_read.number - 1
    if removed == 0:
        return None
    count = removed if removed and removed > 0 else None  # the numbers went back: an old disk image, a power cut
    return Gap(position, "the entry at this position was removed", count, last_read.time_us, left.time_us)


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
