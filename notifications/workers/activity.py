"""What each thread of this process does now, for its heartbeat: two assignments a payload, and no text until asked."""

import threading
import time
from typing import Final, NamedTuple


class Activity(NamedTuple):
    """What a thread does, and since when, in seconds since the epoch."""

    what: str
    since: float


_now: Final[dict[int, tuple[object, float]]] = {}


def begins(what: object) -> None:
    """This thread begins with it. Its `str()` is made when somebody asks."""
    _now[threading.get_ident()] = what, time.time()


def ends() -> None:
    """This thread has ended what it began."""
    _now.pop(threading.get_ident(), None)


def activities() -> list[Activity]:
    """What all threads do, the longest first."""
    return sorted((Activity(str(what), since) for what, since in _now.copy().values()), key=lambda each: each.since)
