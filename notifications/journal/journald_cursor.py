"""What a cursor of journald says: `s=<id of the numbers>;i=<number>;b=<boot>;m=…;t=<µs since 1970>;x=…`, in hex.

FACTS, seen with systemd 252: the numbers go on over rotation, restart and kill of journald and count every entry of a
namespace. `--cursor` of an entry that was removed gives the first one after it that is left. The files of single
users (user-1000.journal) have ids of their own.
"""

from typing import NamedTuple

from notifications.journal.base import Gap


class Cursor(NamedTuple):
    """The parts that are needed; None where they are missing or no numbers."""

    id: str
    number: int | None
    time_us: int | None


def parse_cursor(cursor: str) -> Cursor:
    parts = dict(part.partition("=")[::2] for part in cursor.split(";"))
    return Cursor(parts.get("s", ""), _hexadecimal(parts.get("i", "")), _hexadecimal(parts.get("t", "")))


def gap_between(position: str, first: str) -> Gap | None:
    """What was removed after a position, where `first` is the first entry that is left from there on."""
    if first == position:
        return None
    last_read, left = parse_cursor(position), parse_cursor(first)
    removed = None
    if last_read.id == left.id and last_read.number is not None and left.number is not None:
        removed = left.number - last_read.number - 1
    if removed == 0:
        return None
    count = removed if removed and removed > 0 else None  # numbers that went back: a machine set back, a power cut
    return Gap(position, "the entry at this position was removed", count, last_read.time_us, left.time_us)


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
