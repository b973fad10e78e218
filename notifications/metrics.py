"""The shrug lane: counts that may be dropped, but never slow or break a request."""

import math
import re
import socket
import time
from typing import Any, Final, NamedTuple

from notifications.utils.bounded_queue import BoundedQueue
from notifications.utils.forks import renew_after_fork

#: Bytes that fit one Ethernet frame with IP and UDP headers; the usual limit of StatsD clients.
MAX_DATAGRAM: Final = 1432
#: Seconds until an address is resolved again, and after an error.
DNS_TTL: Final = 60.0
DNS_PAUSE: Final = 1.0
#: The protocol's own characters, and control characters.
FORBIDDEN: Final = re.compile(r"[:|@\x00-\x1f\x7f-\x9f]")


class Metric(NamedTuple):
    """`kind` is StatsD's: c, g or ms."""

    name: str
    value: float
    kind: str


class StatsD:
    """Sends metrics to a StatsD server over UDP (github.com/statsd/statsd, docs/metric_types.md).

    Each call only puts the metric into a bounded queue, from any thread. The queue has a thread that sends it.
    """

    def __init__(self, host: str, port: int, *, prefix: str = "", maxsize: int = 10_000) -> None:
        self._sender = Datagrams(host, port, prefix)
        self._queue = BoundedQueue(
            self._sender.add, maxsize=maxsize, name=f"statsd-{host}:{port}", idle=self._sender.idle
        )

    def incr(self, name: str, value: float = 1) -> None:
        """Add to a counter. Never waits or raises, like the other methods."""
        self._queue.put(Metric(name, value, "c"))

    def gauge(self, name: str, value: float) -> None:
        """Set a value."""
        self._queue.put(Metric(name, value, "g"))

    def timing(self, name: str, ms: float) -> None:
        """Record a duration in milliseconds."""
        self._queue.put(Metric(name, ms, "ms"))

    @property
    def dropped(self) -> int:
        """Metrics dropped because the queue was full."""
        return self._queue.dropped

    @property
    def failed(self) -> int:
        """Datagrams that could not be sent, and malformed metrics."""
        return self._queue.failed

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until everything is sent. Returns whether it is."""
        return self._queue.flush(timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Send all metrics, for at most `timeout` seconds, and accept no more. Returns whether all are sent."""
        return self._queue.close(timeout)


class Datagrams:
    """Batches lines into datagrams. Only the queue's thread uses it."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self._host, self._port, self._prefix = host, port, prefix
        self._address: tuple[int, Any] | None = None
        self._resolve_at = -math.inf
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, metric: Metric) -> None:
        line = _line(self._prefix, metric)
        try:
            if self._size + len(line) > MAX_DATAGRAM:
                self._send()
        finally:
            self._lines.append(line)
            self._size += len(line) + 1

    def idle(self, _hurry: bool) -> None:
        if self._lines:
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
            raise OSError(f"{self._host} cannot be resolved; next try within {DNS_PAUSE:g} s")
        return self._address


def _line(prefix: str, metric: Metric) -> bytes:
    """One metric in StatsD's protocol. Raises ValueError if the value is not finite or the name too long."""
    name = FORBIDDEN.sub("_", prefix + metric.name)
    if not math.isfinite(metric.value):
        raise ValueError(f"{name}: {metric.value} is not a finite number")
    line = f"{name}:{metric.value}|{metric.kind}"
    if metric.kind == "g" and metric.value < 0:  # a sign means a difference: set to 0 first
        line = f"{name}:0|g\n{line}"
    encoded = line.encode("utf-8", "replace")
    if len(encoded) > MAX_DATAGRAM:
        raise ValueError(f"{name[:40]}…: the name is too long for one datagram of {MAX_DATAGRAM} bytes")
    return encoded
