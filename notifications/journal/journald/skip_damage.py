"""Where journalctl ends at a damaged entry: finds the first readable one after it."""

import errno
from typing import Final

from notifications.journal.base import Gap
from notifications.journal.journald.cursor import parse_cursor, with_number
from notifications.journal.journald.stored_entries import entry_at

#: Up to 2 ** MOST entries in a row may be damaged.
MOST: Final = 40


def skip_damage(namespace: str, cursor: str) -> tuple[str, Gap]:
    """Where to continue after an entry whose next one cannot be read, and the gap in between. Raises OSError.

    If many in a row cannot be read, a binary search finds their end with some 20 calls of journalctl.
    """
    last = parse_cursor(cursor)
    if last.number is None:
        raise OSError(errno.EIO, f"journalctl cannot read on after {cursor}")
    bad = last.number + 1
    good = _double(namespace, cursor, bad)
    worst = bad + (good - bad) // 2
    while good - worst > 1:
        middle = (worst + good) // 2
        if _can_read(namespace, with_number(cursor, middle)):
            good = middle
        else:
            worst = middle
    onward = with_number(cursor, good)
    found = entry_at(namespace, onward)
    reason = f"journalctl cannot read {good - bad} entries, of events and others"
    until_us = parse_cursor(found).time_us if found else None
    return onward, Gap(with_number(cursor, bad), reason, since_us=last.time_us, until_us=until_us)


def _double(namespace: str, cursor: str, bad: int) -> int:
    for power in range(MOST):
        number = bad + (1 << power)
        if _can_read(namespace, with_number(cursor, number)):
            return number
    raise OSError(errno.EIO, f"journalctl cannot read on after {cursor}")


def _can_read(namespace: str, cursor: str) -> bool:
    try:
        entry_at(namespace, cursor)
    except TimeoutError:
        raise
    except OSError:
        return False
    return True
