"""A client that posts at a steady rate over kept connections, however slowly it is answered."""

import re
import selectors
import socket
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks.payload import SENT

CONNECTIONS: Final = 8
#: Seconds until an answer is given up.
TIMEOUT: Final = 30.0
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Posted:
    """Times are nanoseconds from the moment a request was due. `answers`: how many got which status, or none."""

    times: "array[int]" = field(default_factory=lambda: array("q"))
    answers: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Connection:
    wire: socket.socket
    #: When it was free again, and since when its request counts; by time.monotonic().
    free_at: float = 0.0
    since: float = 0.0


class Steady:
    """Posts `rate` requests a second to a path of 127.0.0.1:`port`, in one thread.

    A request that is due while no connection is free waits, and that counts. What this client is late by itself does
    not.
    """

    def __init__(self, port: int, path: str, *, rate: float, body: bytes) -> None:
        headers = SENT | {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._port, self._rate, self._request = port, rate, "\r\n".join(lines).encode() + body

    def post(self, seconds: float) -> Posted:
        """Post for so long; what came of it."""
        posted, count = Posted(), round(seconds * self._rate)
        with selectors.DefaultSelector() as selector:
            free = deque(Connection(_connect(self._port)) for _ in range(CONNECTIONS))
            start, sent = time.monotonic(), 0
            while len(posted.times) < count:
                while sent < count and free and start + sent / self._rate <= time.monotonic():
                    self._send(free.popleft(), start + sent / self._rate, selector)
                    sent += 1
                wait = start + sent / self._rate - time.monotonic() if free and sent < count else TIMEOUT
                answered = selector.select(max(wait, 0))
                if not answered and wait == TIMEOUT:
                    raise TimeoutError(f"no answer within {TIMEOUT:g} s")
                for key, _ in answered:
                    selector.unregister(key.fileobj)
                    free.append(self._receive(key.data, posted))
            for connection in free:
                connection.wire.close()
        return posted

    def _send(self, connection: Connection, due: float, selector: selectors.BaseSelector) -> None:
        connection.since = due if connection.free_at > due else time.monotonic()
        selector.register(connection.wire, selectors.EVENT_READ, connection)
        connection.wire.sendall(self._request)

    def _receive(self, connection: Connection, posted: Posted) -> Connection:
        try:
            answer = _answer(connection.wire)
        except OSError as error:
            answer = type(error).__name__
            connection.wire.close()
            connection.wire = _connect(self._port)
        connection.free_at = time.monotonic()
        posted.times.append(int((connection.free_at - connection.since) * 1e9))
        posted.answers[answer] += 1
        return connection


def _connect(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def _answer(wire: socket.socket) -> str:
    """The status, once all of the answer is there. Raises OSError."""
    data = b""
    while True:
        piece = wire.recv(65536)
        if not piece:
            raise ConnectionResetError(data[:200])
        data += piece
        head, end, body = data.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if end and length and len(body) >= int(length[1]):
            return head[9:12].decode()
