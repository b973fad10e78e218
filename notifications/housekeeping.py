"""What `process_raw` does beside handling payloads: chores, one process on each machine, in a thread of its own."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from django.db import Error, connections

from notifications import locks
from notifications.backoff import backoff
from notifications.conf import conf
from notifications.deadline import deadline
from notifications.worker import LONGEST_WAIT, Stop

logger = logging.getLogger(__name__)

#: Seconds after which another process asks again whether it may keep house.
RETRY_INTERVAL: Final = 5.0
#: Seconds after which a PostgreSQL that says nothing holds up neither the other chores nor the end of the process.
LONGEST_CHORE: Final = 20.0


@dataclass(slots=True)
class Chore:
    """`do` does some of it, within a second or so, and gives the seconds until it wants to be called again.

    It is called again later where it raises, as it may what the database or a storage raises.
    """

    name: str
    do: Callable[[], float]
    #: Seconds after which its connection to PostgreSQL is cut; None for one that sees to that itself.
    longest: float | None = LONGEST_CHORE
    due: float = 0.0
    failures: int = field(default=0)

    def turn(self) -> float:
        """Seconds until it is due; it is done now if that is at once."""
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + self._do()
        return max(0.0, self.due - time.monotonic())

    def _do(self) -> float:
        try:
            with nullcontext() if self.longest is None else deadline(self.longest):
                delay = self.do()
        except Exception as error:
            self.failures += 1
            delay = backoff(self.failures, cap=60.0)
            known = isinstance(error, Error | OSError)
            logger.log(
                logging.WARNING if known else logging.ERROR,
                "%s: %s: %s; next try in %.1f s",
                self.name,
                type(error).__name__,
                error,
                delay,
                exc_info=not known,
            )
            connections.close_all()
            return delay
        self.failures = 0
        return delay


class Housekeeper:
    """A `worker.Worker`. `drain`: done when no chore has anything left to do now."""

    def __init__(self, _: Stop, *, chores: Sequence[Chore], drain: bool = False) -> None:
        self._chores = chores
        self._drain = drain
        #: Held by the one process of this machine that keeps house.
        self._lock: int | None = None

    def fileno(self) -> int | None:
        return None

    def poll(self) -> float | None:
        if self._lock is None:
            self._lock = locks.take(conf.state_dir / "locks" / "housekeeping")
        if self._lock is None:
            return None if self._drain else RETRY_INTERVAL
        delay = min((chore.turn() for chore in self._chores), default=LONGEST_WAIT)
        return None if self._drain and delay > 0 else delay

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        connections.close_all()
