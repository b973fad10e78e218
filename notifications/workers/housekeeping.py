"""Runs the chores of `process_raw`, in a thread of one process of each machine."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Final

from django.db import Error, connections

from notifications.conf import conf
from notifications.database.deadline import deadline
from notifications.utils import file_locks
from notifications.utils.retry_delay import backoff
from notifications.workers.loop import LONGEST_WAIT, Stop

logger = logging.getLogger(__name__)

#: Seconds until another process tries again to become the housekeeper.
RETRY_INTERVAL: Final = 5.0
#: Seconds after which a silent PostgreSQL no longer blocks other chores, or the end of the process.
LONGEST_CHORE: Final = 20.0


@dataclass(slots=True)
class Chore:
    """`do` works for about a second at most, and returns the seconds until its next call.

    It may raise errors of the database or a storage: then it is called again later.
    """

    name: str
    do: Callable[[], float]
    #: Seconds after which its connection to PostgreSQL is cut; None if `do` sees to that itself.
    longest: float | None = LONGEST_CHORE
    due: float = 0.0
    failures: int = 0

    def turn(self) -> float:
        """Call `do` if it is due. Returns the seconds until its next call."""
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + self._run()
        return max(0.0, self.due - time.monotonic())

    def _run(self) -> float:
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
    """A `loop.Worker`: does the chores in the one process of this machine that holds the lock of this name.

    With `drain` it ends when no chore is due.
    """

    def __init__(self, _: Stop, *, chores: Sequence[Chore], lock: str = "housekeeping", drain: bool = False) -> None:
        self._chores = chores
        self._drain = drain
        self._lock_name = lock
        self._lock: file_locks.ProcessLock | None = None

    def fileno(self) -> int | None:
        return None

    def poll(self) -> float | None:
        if self._lock is None:
            with suppress(BlockingIOError):
                self._lock = file_locks.ProcessLock(conf.state_dir / "locks" / self._lock_name)
        if self._lock is None:
            return None if self._drain else RETRY_INTERVAL
        delay = min((chore.turn() for chore in self._chores), default=LONGEST_WAIT)
        return None if self._drain and delay > 0 else delay

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        connections.close_all()
