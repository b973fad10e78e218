"""A gunicorn worker whose threads get whole requests, and leave their connections to the main thread.

Clients that send slowly, or do not hang up, block no thread and nobody else. gunicorn itself gives a connection to a
thread with its first byte, and its main thread waits for the connections that it closes.
"""

import math
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gunicorn import http, sock
from gunicorn.workers.gthread import ThreadWorker

from proppy.whole_request import State, WholeRequest

#: Seconds for a client to send a whole request…
LONGEST_SENDING: Final = 30.0
#: …and once the worker is stopping.
LAST_SENDING: Final = 2.0
#: Seconds for it to hang up. What it still sends is discarded, or it might lose the answer (RFC 9112, 9.6).
LONGEST_CLOSING: Final = 2.0
#: Bytes of all requests together that are incomplete, or wait for a thread.
MOST_BYTES: Final = 128 * 1024 * 1024
#: Requests for each thread, including its current one, beyond which no more connections are accepted.
MOST_HANDED_OVER: Final = 2
#: Bytes of a request that is never refused for lack of room.
SMALL: Final = 64 * 1024
#: Bytes to read at a time.
PIECE: Final = 256 * 1024

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_SLOW: Final = ("408 Request Timeout", "the request did not arrive in time")
#: Sending these again would not help.
REFUSED: Final = {
    State.TOO_LARGE: ("413 Content Too Large", "the body is larger than this server accepts"),
    State.HEAD_TOO_LARGE: ("431 Request Header Fields Too Large", "the headers are too large"),
}
TOO_MUCH: Final = ("503 Service Unavailable", "too much is being sent at once: try again in a moment")


class Reading:
    """A connection whose request is being read."""

    def __init__(self, connection: Any, longest: int) -> None:
        self.connection = connection
        self.until = time.monotonic() + LONGEST_SENDING
        self.request = WholeRequest(longest)


class Arrived:
    """Replaces a connection: returns the bytes that came, in pieces of the size that gunicorn asks for.

    gunicorn copies what it holds for each chunk of a body, which is cheap only while that is little.
    """

    def __init__(self, data: bytearray) -> None:
        self._data, self._at = memoryview(data), 0

    def recv(self, size: int) -> bytes:
        piece = bytes(self._data[self._at : self._at + size])
        self._at += len(piece)
        return piece

    def rest(self) -> bytes:
        """The unread bytes: requests sent after this one."""
        return bytes(self._data[self._at :])


class SlowClients(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Names without an underscore override gunicorn's ThreadWorker, whose main thread calls them."""

    #: Bytes of the largest body.
    longest_body = 16 * 1024 * 1024

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tls = sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        self._handed_over: dict[Any, int] = {}  # connection, bytes of its request
        # In the order of their deadlines.
        self._readings: dict[Any, Reading] = {}
        self._closings: dict[Any, float] = {}
        self._polled: set[Any] = set()
        self._cut: set[Any] = set()
        self._bytes = 0
        self._last_sending = math.inf

    @property
    def worker_connections(self) -> int:
        """How many connections it accepts: none while its threads are busy, for another server on the socket."""
        return 0 if len(self._handed_over) >= MOST_HANDED_OVER * self.cfg.threads else self._most_connections

    @worker_connections.setter
    def worker_connections(self, most: int) -> None:
        self._most_connections = most

    def enqueue_req(self, conn: Any) -> None:
        """Hand the next request of a connection to a thread once all of it has come."""
        try:
            self._open(conn)
        except OSError:  # the client has gone
            return self._hang_up(conn)
        reading = self._readings[conn] = Reading(conn, self.longest_body)
        came = conn.parser.unreader.take_buffered()  # sent with the previous request
        return self._read(reading) if not came or self._take(reading, came) is State.MORE else None

    def _open(self, conn: Any) -> None:
        if not conn.initialized:
            if self._tls:
                conn.sock = self._tls.wrap_socket(conn.sock, server_side=True, do_handshake_on_connect=False)
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
            conn.initialized = True
        conn.sock.setblocking(False)

    def _read(self, reading: Reading) -> None:
        """Read what has come, without waiting."""
        try:
            piece = reading.connection.sock.recv(PIECE)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            return self._drop(reading)
        else:
            if not piece:
                return self._hand_over(reading, cut=True) if reading.request.data else self._drop(reading)
            if self._take(reading, piece) is not State.MORE:
                return None
        return self._poll(reading.connection, partial(self._read, reading))

    def _take(self, reading: Reading, piece: bytes) -> State:
        """Add bytes to a request, and hand it over if it is complete."""
        self._bytes += len(piece)
        request = reading.request
        state = request.feed(piece)
        if state in REFUSED:
            self._refuse(reading, *REFUSED[state], again=False)
        elif state is not State.MORE:
            self._hand_over(reading, cut=state is State.INVALID)
        elif self._bytes > MOST_BYTES and self._make_room() is reading:
            return State.TOO_LARGE
        elif request.waits:
            request.waits = False
            _send(reading.connection, CONTINUE)
        return state

    def _make_room(self) -> Reading | None:
        """Refuse the largest request. Small ones may stay: all together they are not many bytes."""
        largest = max(self._readings.values(), key=lambda reading: len(reading.request.data))
        if len(largest.request.data) <= SMALL:
            return None
        self._refuse(largest, *TOO_MUCH)
        return largest

    def _hand_over(self, reading: Reading, *, cut: bool) -> None:
        """Hand the request to a thread. A `cut` one is answered as far as it came, and ends the connection."""
        conn, data = reading.connection, reading.request.data
        self._forget(reading)
        conn.parser.unreader.sock = Arrived(data)
        if cut:
            self._cut.add(conn)
        self._handed_over[conn] = len(data)
        self._bytes += len(data)
        super().enqueue_req(conn)

    def _refuse(self, reading: Reading, status: str, why: str, *, again: bool = True) -> None:
        """Answer instead of the application, with Retry-After if sending it `again` may help."""
        body = f'{{"error": "{why}"}}'
        head = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Cache-Control: no-store"]
        head += ["Retry-After: 5"] if again else []
        answer = "\r\n".join([*head, f"Content-Length: {len(body)}", "Connection: close", "", body])
        self._forget(reading)
        _send(reading.connection, answer.encode())
        self._close(reading.connection)

    def _drop(self, reading: Reading) -> None:
        self._forget(reading)
        self._hang_up(reading.connection)

    def _forget(self, reading: Reading) -> None:
        del self._readings[reading.connection]
        self._bytes -= len(reading.request.data)
        self._unpoll(reading.connection)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Handle a request, in a thread. Its body has come: gunicorn must not ask for it again."""
        req._expected_100_continue = False
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread is done with a connection."""
        self._bytes -= self._handed_over.pop(conn)
        unreader = conn.parser.unreader
        unreader.unread(unreader.take_buffered() + unreader.sock.rest())
        if conn not in self._cut and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        else:
            self._cut.discard(conn)
            self._close(conn)

    def _close(self, conn: Any) -> None:
        """Send the end of the stream, and wait for the client to hang up."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            return self._hang_up(conn)
        self._closings[conn] = time.monotonic() + LONGEST_CLOSING
        return self._drain(conn)

    def _drain(self, conn: Any) -> None:
        try:
            gone = not conn.sock.recv(PIECE)
        except (BlockingIOError, ssl.SSLWantReadError):
            gone = False
        except OSError:
            gone = True
        if not gone:
            return self._poll(conn, partial(self._drain, conn))
        del self._closings[conn]
        self._unpoll(conn)
        return self._hang_up(conn)

    def _hang_up(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Drop clients that took too long. gunicorn calls this at each turn of its loop."""
        super().murder_pending()
        now = time.monotonic()
        if not self.alive:
            self._last_sending = min(self._last_sending, now + LAST_SENDING)
        for reading in list(self._readings.values()) if self._readings else ():
            if min(reading.until, self._last_sending) > now:
                break
            if reading.request.data:
                self._refuse(reading, *TOO_SLOW)
            else:
                self._drop(reading)
        for conn, until in list(self._closings.items()) if self._closings else ():
            if until > now:
                break
            del self._closings[conn]
            self._unpoll(conn)
            self._hang_up(conn)

    def _poll(self, conn: Any, then: Callable[[], None]) -> None:
        if conn not in self._polled:
            self._polled.add(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: then())

    def _unpoll(self, conn: Any) -> None:
        if conn in self._polled:
            self._polled.remove(conn)
            self.poller.unregister(conn.sock)


def _send(conn: Any, data: bytes) -> None:
    """Send without waiting; dropped if the connection's buffer has no room."""
    with suppress(OSError):
        conn.sock.send(data)
