"""Requests HEARTBEAT_URL each minute while nothing is critical: a service elsewhere alarms if that stops.

So it also reports what nobody here can: a machine that is off, a process_raw that is frozen, a network that is cut.
"""

import logging
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import SplitResult, urlsplit

from notifications.conf import conf
from notifications.http.https_proxy import Connection
from notifications.utils.clean_text import one_line
from notifications.utils.limited_sockets import limited
from notifications.workers.outage import Outage

logger = logging.getLogger(__name__)

#: Seconds between two requests, for one request, and between two looks while there is nothing to request.
INTERVAL: Final = 60.0
LONGEST: Final = 5.0
NOTHING_TO_DO: Final = 5.0
#: Seconds after which the last verdict says nothing any more.
STALE: Final = 180.0
HEADERS: Final = {"User-Agent": "proppy", "Connection": "close"}


class HeartbeatUrl:
    """A chore: call it again after the seconds that it returns. It never raises, and logs no more than the host."""

    def __init__(self) -> None:
        self._is_critical, self._seen_at = True, float("-inf")
        self._outage = Outage("NOTIFICATIONS_HEARTBEAT_URL", longest=INTERVAL)

    def seen(self, *, is_critical: bool) -> None:
        """The verdict as it is now."""
        self._is_critical, self._seen_at = is_critical, time.monotonic()

    def __call__(self) -> float:
        if not conf.heartbeat_url or self._is_critical or time.monotonic() - self._seen_at > STALE:
            return NOTHING_TO_DO
        address = urlsplit(conf.heartbeat_url)
        if problem := _problem_of_request(address):
            return self._outage.failed(f"{address.hostname} {problem}")
        self._outage.over()
        return INTERVAL


def _problem_of_request(address: SplitResult) -> str:
    """Request it once. Returns what went wrong, or ""."""
    until = time.monotonic() + LONGEST
    try:
        with closing(_connection(address)) as connection:
            connection.connect()
            connection.sock = limited(connection.sock, until)
            target = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request("GET", target, headers=HEADERS)
            with connection.getresponse() as response:
                return "" if 200 <= response.status < 300 else f"answered {response.status}"
    except TimeoutError:
        return f"did not answer within {LONGEST:g} s"
    except HTTPException as error:  # its text quotes the answer
        return f"does not speak HTTP ({type(error).__name__})"
    except (OSError, ValueError) as error:  # ValueError: the proxy's setting is wrong
        return f"cannot be reached: {one_line(str(error))}"


def _connection(address: SplitResult) -> HTTPConnection:
    host, timeout = address.hostname or "", LONGEST / 2  # for each address: a name often has two
    if address.scheme == "http":
        return HTTPConnection(host, address.port or 80, timeout=timeout)
    return Connection(host, address.port or 443, timeout=timeout)
