"""The shrug lane: counts that may be dropped, but never slow or break a request."""

import math
import os
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from notifications.bounded_queue import BoundedQueue

#: Bytes that fit one Ethernet frame with IP and UDP headers to spare; the usual limit of StatsD clients.
MAX_DATAGRAM: Final = 1432
#: Seconds for which an address is believed, and before it is looked up again after an error.
DNS_TTL: Final = 60.0
DNS_PAUSE: Final = 1.0
#: What has a meaning in the protocol, and control characters.
FORBIDDEN: Final = re.compile(r"[:|@\x00-\x1f\x7f-\x9f]")
MAX_ROUTES: Final = 200
OTHER: Final = "other"


class _Metric(NamedTuple):
    name: str
    value: float
    kind: str


class StatsD:
    """Sends metrics to a StatsD server over UDP (github.com/statsd/statsd, docs/metric_types.md).

    Each call only puts into a bounded queue, from any thread; its thread formats, resolves and sends.
    """

    def __init__(self, host: str, port: int, *, prefix: str = "", maxsize: int = 10_000) -> None:
        self._sender = _Sender(host, port, prefix)
        self._queue = BoundedQueue(
            self._sender.add, maxsize=maxsize, name=f"statsd-{host}:{port}", idle=self._sender.idle
        )

    def incr(self, name: str, value: float = 1) -> None:
        """Add to a counter."""
        self._queue.put(_Metric(name, value, "c"))

    def gauge(self, name: str, value: float) -> None:
        """Set a value."""
        self._queue.put(_Metric(name, value, "g"))

    def timing(self, name: str, ms: float) -> None:
        """Record a duration in milliseconds."""
        self._queue.put(_Metric(name, ms, "ms"))

    @property
    def dropped(self) -> int:
        """Metrics that found the queue full."""
        return self._queue.dropped

    @property
    def failed(self) -> int:
        """Datagrams that could not be sent, and malformed metrics."""
        return self._queue.failed

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until everything is sent. Whether it is so."""
        return self._queue.flush(timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Send what waits, for at most `timeout` seconds, and take nothing more."""
        return self._queue.close(timeout)


class _Sender:
    """Batches lines into datagrams. Used by the queue's thread alone."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self._host, self._port, self._prefix = host, port, prefix
        self._address: tuple[int, Any] | None = None
        self._resolve_at = -math.inf
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, metric: _Metric) -> None:
        if self._pid != os.getpid():  # what a forked child inherited is the parent's to send
            self._start_afresh()
        line = _line(self._prefix, metric)
        try:
            if self._size + len(line) > MAX_DATAGRAM:
                self._send()
        finally:
            self._lines.append(line)
            self._size += len(line) + 1

    def idle(self, _hurry: bool) -> None:
        if self._pid == os.getpid() and self._lines:
            self._send()

    def _send(self) -> None:
        datagram = b"\n".join(self._lines)
        self._lines, self._size = [], 0
        family, address = self._resolved()
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.sendto(datagram, address)
        except OSError:
            self._resolve_at = min(self._resolve_at, time.monotonic() + DNS_PAUSE)
            raise

    def _resolved(self) -> tuple[int, Any]:
        now = time.monotonic()
        if now >= self._resolve_at:
            self._address, self._resolve_at = None, now + DNS_PAUSE
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            self._address, self._resolve_at = (found[0][0], found[0][4]), now + DNS_TTL
        if self._address is None:
            raise OSError(f"no address for {self._host}: tried again within {DNS_PAUSE:g} s")
        return self._address


def _line(prefix: str, metric: _Metric) -> bytes:
    """One metric as the protocol has it. Raises ValueError for what is no finite number or too long."""
    name = FORBIDDEN.sub("_", prefix + metric.name)
    if not math.isfinite(metric.value):
        raise ValueError(f"{name}: {metric.value} is no number that StatsD knows")
    line = f"{name}:{metric.value}|{metric.kind}"
    if metric.kind == "g" and metric.value < 0:  # a sign means a difference: set to 0 first
        line = f"{name}:0|g\n{line}"
    encoded = line.encode("utf-8", "replace")
    if len(encoded) > MAX_DATAGRAM:
        raise ValueError(f"{name[:40]}…: the name is too long for one datagram of {MAX_DATAGRAM} bytes")
    return encoded


@dataclass(slots=True)
class RouteTotals:
    """What one route did in one interval."""

    requests: int = 0
    errors: int = 0
    ms: float = 0.0


class RequestTotals:
    """Counts requests by route, from any thread. Bounded: routes beyond `max_routes` count as "other"."""

    def __init__(self, max_routes: int = MAX_ROUTES) -> None:
        self._max_routes = max_routes
        self._lock = threading.Lock()
        self._routes: dict[str, RouteTotals] = {}

    def __len__(self) -> int:
        return len(self._routes)

    def add(self, route: str, *, error: bool, ms: float) -> None:
        """Count one request that took `ms` milliseconds."""
        with self._lock:
            totals = self._routes.get(route) or self._new(route)
            totals.requests += 1
            totals.errors += error
            totals.ms += ms

    def _new(self, route: str) -> RouteTotals:
        key = route if len(self._routes) < self._max_routes else OTHER
        return self._routes.setdefault(key, RouteTotals())

    def take(self) -> dict[str, RouteTotals]:
        """Hand out what was counted since the last take(), and begin anew."""
        with self._lock:
            taken, self._routes = self._routes, {}
        return taken
