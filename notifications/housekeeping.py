"""What `process_raw` does beside handling payloads: chores, one process on each machine, in a thread of its own."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from django.db import Error, connections

from notifications.backoff import backoff
from notifications.conf import conf
from notifications.deadline import deadline
from notifications.folders import make_private
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
        self._lock = _Lock()

    def fileno(self) -> int | None:
        return None

    def poll(self) -> float | None:
        if not self._lock.take():
            return None if self._drain else RETRY_INTERVAL
        delay = min((chore.turn() for chore in self._chores), default=LONGEST_WAIT)
        return None if self._drain and delay > 0 else delay

    def close(self) -> None:
        self._lock.release()
        connections.close_all()


class _Lock:
    """Held by the one process of this machine that keeps house; the kernel lets go with it."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def take(self) -> bool:
        if self._descriptor is not None:
            return True
        folder = conf.state_dir / "locks"
        make_private(folder)
        descriptor = os.open(folder / "housekeeping", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
