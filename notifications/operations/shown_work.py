"""What the workers do, on a terminal: a line a second at most for each source and channel, by the project's LOGGING.

Where nobody looks there is none: the admin and the journal have what failed, and what succeeds is counted.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from notifications.log import ReadableFormatter
from notifications.signals import payload_handled

logger = logging.getLogger("notifications")


class Work:
    """Counts what was done, until it is said. `delivered` returns the events of each channel since the start."""

    def __init__(self, delivered: Callable[[], Mapping[str, int]]) -> None:
        self._lock, self._delivered = threading.Lock(), delivered
        self._handled: dict[str, tuple[int, float]] = {}
        self._said: Mapping[str, int] = {}

    def handled(self, *, payload: Any, milliseconds: float, **_: Any) -> None:
        """Receives payload_handled."""
        with self._lock:
            count, total = self._handled.get(payload.source, (0, 0.0))
            self._handled[payload.source] = count + 1, total + milliseconds

    def say(self) -> None:
        """Log what was done since the last call."""
        with self._lock:
            handled, self._handled = self._handled, {}
        for source, (count, milliseconds) in sorted(handled.items()):
            logger.info("%s: %d handled, %.1f ms%s", source, count, milliseconds / count, " each" * (count > 1))
        before, self._said = self._said, self._delivered()
        for channel, count in sorted(self._said.items()):
            if new := count - before.get(channel, 0):
                logger.info("channel %s: %d delivered", channel, new)


@contextmanager
def shown_work(begins: str, delivered: Callable[[], Mapping[str, int]] = dict) -> Iterator[Callable[[], None] | None]:
    """Yields what to call each second; None where stderr is no terminal. `begins`: what the worker says first."""
    if not sys.stderr.isatty():
        yield None
        return
    work = Work(delivered)
    logger.info("%s. Ctrl-C ends it.", begins)
    payload_handled.connect(work.handled)
    try:
        yield work.say
        work.say()
    finally:
        payload_handled.disconnect(work.handled)


def show_lines() -> None:
    """Have the engine's lines printed where the project's LOGGING has no handler for them: else only warnings are."""
    ours = logging.getLogger("notifications")
    if ours.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(ReadableFormatter("%(levelname)s %(name)s: %(message)s"))
    ours.addHandler(handler)
    if ours.level == logging.NOTSET:
        ours.setLevel(logging.INFO)
