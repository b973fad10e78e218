"""Reports to systemd that the process is ready and all its loops turn, else systemd restarts it (sd_notify(3))."""

import logging
import socket
import threading
import time
from collections.abc import Iterable
from typing import Final

from notifications.conf import conf

logger = logging.getLogger(__name__)

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
TURNING: Final = "WATCHDOG=1"


def notify(state: str) -> None:
    """Send a state to systemd, if it started this process. Never raises or waits."""
    address = conf.notify_socket
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), address)
    except OSError as error:
        logger.warning("%s could not be sent to systemd: %s", state, error)


class Watchdog:
    """Pings once every thread has turned since the last ping. `WatchdogSec=` must be longer than the longest turn."""

    def __init__(self) -> None:
        self._turned_at: dict[int, float] = {}
        self._pinged_at = 0.0

    def turned(self) -> None:
        """Record a turn of this thread's loop."""
        self._turned_at[threading.get_ident()] = time.monotonic()

    def ping(self, threads: Iterable[threading.Thread]) -> None:
        """Ping systemd if all living threads have turned since the last ping."""
        if all(turned_at > self._pinged_at for turned_at in self._times_of(threads)):
            self._pinged_at = time.monotonic()
            notify(TURNING)

    def unturned(self, threads: Iterable[threading.Thread]) -> float:
        """The seconds since that living thread turned that has not turned for longest; 0.0 if none has begun."""
        now = time.monotonic()
        return max((now - turned_at for turned_at in self._times_of(threads) if turned_at), default=0.0)

    def _times_of(self, threads: Iterable[threading.Thread]) -> list[float]:
        return [self._turned_at.get(thread.ident or 0, 0.0) for thread in threads if thread.is_alive()]
