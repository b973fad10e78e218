"""Pauses between the transactions of long work: SQLite has one writer, and others that wait for it soon give up."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from notifications.database import bounded_wait

T = TypeVar("T")

#: Seconds. A pause lasts as long as the step before it.
SHORTEST: Final = 0.02
LONGEST: Final = 0.5


def unhurried(work: Iterator[T], wait: Callable[[float], object], *, period: float = 0) -> Iterator[T]:
    """The steps of `work`, with a pause between them: at most one in `period` seconds."""
    started = time.monotonic()
    for step in work:
        took = time.monotonic() - started
        yield step
        wait(max(min(max(took, SHORTEST), LONGEST), period - took))
        started = time.monotonic()


def breathe(seconds: float) -> None:
    """Wait, unless in a transaction, which would only stay open for longer."""
    if not bounded_wait.connection().in_atomic_block:
        threading.Event().wait(seconds)
