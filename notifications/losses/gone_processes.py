"""Finds processes that wrote events and no longer exist."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from notifications.events import process_token
from notifications.losses.when_to_give_up import FINAL_AFTER, JournalTime
from notifications.losses.writers import WriterState

#: Indices of the fields after the name in /proc/PID/stat (man proc_pid_stat).
STATE: Final = 0
STARTED: Final = 19


def find_gone(writers: Iterable[WriterState], now: int, time: JournalTime) -> list[WriterState]:
    """Returns the processes that ended without writing END.

    They were gone a minute ago, and all entries before that are read: END would be among them.
    """
    gone = [writer for writer in writers if writer.pid and not writer.ended and is_gone(writer.token, writer.pid)]
    for writer in gone:
        writer.gone_since = writer.gone_since or now
    return [each for each in gone if now - each.gone_since >= FINAL_AFTER and time.has_passed(each.gone_since)]


def is_gone(token: str, pid: int) -> bool:
    """Whether the process ended, even if another process has its id now. False if unknown."""
    birth = process_token.birth_of(token)
    if birth is not None and birth.boot != process_token.boot():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # it exists, as another user's
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # hidden from us, or ended just now
        return False
    return stat[STATE] in "ZX" or (birth is not None and int(stat[STARTED]) > birth.ticks)
