"""Lets others write between two transactions of long work: SQLite has one writer, and whoever waits gives up soon."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

T = TypeVar("T")

#: Seconds. A pause is as long as the step before it took.
SHORTEST: Final = 0.02
LONGEST: Final = 0.5


def unhurried(work: Iterator[T], wait: Callable[[float], object], *, period: float = 0) -> Iterator[T]:
    """The steps of `work`, with a pause before each one but the first: at most one in `period` seconds."""
    started = time.monotonic()
    for step in work:
        took = time.monotonic() - started
        yield step
        wait(max(min(max(took, SHORTEST), LONGEST), period - took))
        started = time.monotonic()


def breathe(seconds: float) -> None:
    """Wait, unless in a transaction: that would only be held for longer."""
    if not connections[DEFAULT_DB_ALIAS].in_atomic_block:
        threading.Event().wait(seconds)
