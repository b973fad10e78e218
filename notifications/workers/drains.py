"""A machine may have no worker that stays, and drain its queue from cron: none is dead there."""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from notifications.conf import conf
from notifications.utils.private_folders import make_private

if TYPE_CHECKING:
    from notifications.workers.heartbeat import Beat

#: Ends to remember: the pause between them is that of cron, whatever a person drains besides.
REMEMBERED: Final = 8
#: The next drain is missed after so many such pauses, but not before SHORTEST seconds, and at last after LONGEST.
PAUSES: Final = 3
SHORTEST: Final = 600.0
LONGEST: Final = 2 * 86_400.0
#: Seconds for which the first one counts: nobody knows when the next is due.
FIRST: Final = 86_400.0


def note(command: str, beats: Iterable["Beat"]) -> None:
    """A drain has ended in order. It does not count if, by these heartbeats, a worker stays. Raises OSError."""
    if any(beat.alive and beat.command == command for beat in beats):
        return
    path = _path(command)
    make_private(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps([*_ends(command), time.time()][-REMEMBERED:]))
    temporary.rename(path)


def forget(command: str) -> None:
    """A worker of this command starts, to stay. Raises OSError."""
    _path(command).unlink(missing_ok=True)


def is_drained(command: str) -> bool:
    """Whether drains end in order as often as they did."""
    ends = sorted(_ends(command))
    if not ends:
        return False
    pause = max((after - before for before, after in pairwise(ends)), default=FIRST / PAUSES)
    return time.time() - ends[-1] < min(max(SHORTEST, PAUSES * pause), LONGEST)


def _ends(command: str) -> list[float]:
    """In seconds since the epoch; [] if none is known. One of a clock that was ahead would hide dead workers until
    that time.
    """
    with suppress(OSError, ValueError, TypeError):
        ends = [float(each) for each in json.loads(_path(command).read_bytes())]
        return [each for each in ends if each <= time.time()]
    return []


def _path(command: str) -> Path:
    return conf.state_dir / "heartbeats" / f"{command}.drained"
