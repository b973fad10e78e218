"""Sends the request counts of each interval to the StatsD server of METRICS_URL."""

import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from notifications.conf import conf
from notifications.metrics import StatsD

logger = logging.getLogger(__name__)

PORT: Final = 8125
PREFIX: Final = "proppy"
#: Dots separate the levels of a name. Most servers accept only these characters in a level.
NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
OTHERS: Final = re.compile(r"[^A-Za-z0-9_-]+")


class Server(NamedTuple):
    """The address, not resolved yet, and the start of all names."""

    host: str
    port: int
    prefix: str


def parse_url(url: object) -> Server:
    """Read statsd://host:port/prefix. Raises ValueError."""
    try:
        parts = urlsplit(str(url))
        host, port, prefix = parts.hostname or "", parts.port, parts.path.strip("/") or PREFIX
        host.encode("idna")
    except ValueError as error:
        raise ValueError(f"{url!r} is not an address ({error})") from error
    if parts.scheme != "statsd" or not host or port == 0 or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not the address of a StatsD server")
    if not NAME.fullmatch(prefix):
        raise ValueError(f"{prefix!r} is not a prefix of names")
    return Server(host, port or PORT, f"{prefix}.")


def open_server() -> StatsD | None:
    """The server of the setting, or None. Called before the first request: at exit a new queue would start too late."""
    return _open(conf.metrics_url) if conf.metrics_url else None


@cache
def _open(url: str) -> StatsD | None:
    try:
        host, port, prefix = parse_url(url)
    except ValueError as error:
        logger.error("NOTIFICATIONS_METRICS_URL: %s; nothing is sent", error)
        return None
    return StatsD(host, port, prefix=prefix)


def send_counts(counts: Mapping[str, int]) -> None:
    """Add the counts to the server's counters."""
    if server := open_server():
        for name, count in counts.items():
            server.incr(counter_name(name), count)


def counter_name(name: str) -> str:
    """`requests.GET.photos_int_id` for "requests GET /photos/<int:id>/", `requests.GET.root` for "requests GET /"."""
    return ".".join(OTHERS.sub("_", part).strip("_") or "root" for part in name.split(" ", 2))
