"""Whether a process that has written events is still there."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from notifications import tokens
from notifications.accounting.books import Book
from notifications.accounting.patience import LONG, Patience

#: Indices of the fields behind the name in /proc/PID/stat (man proc_pid_stat).
STATE: Final = 0
STARTED: Final = 19


class Watch:
    """Finds the processes that are gone without having said so."""

    def __init__(self) -> None:
        self._noticed: dict[str, int] = {}

    def find_gone(self, books: Iterable[Book], now: int, patience: Patience) -> list[Book]:
        """Those that are gone for a minute. What they had written before that was read: an END would have come."""
        gone = [book for book in books if book.pid and not book.ended and is_gone(book.token, book.pid)]
        self._noticed = {book.token: self._noticed.get(book.token, now) for book in gone}
        return [
            book
            for book in gone
            if now - self._noticed[book.token] >= LONG and patience.has_passed(self._noticed[book.token])
        ]


def is_gone(token: str, pid: int) -> bool:
    """Whether the process ended, also where its number is another's by now. False where that cannot be known."""
    birth = tokens.birth_of(token)
    if birth is not None and birth.boot != tokens.boot():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # another user's: there it is
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # hidden from us, or ended just now
        return False
    return stat[STATE] in "ZX" or (birth is not None and int(stat[STARTED]) > birth.ticks)
