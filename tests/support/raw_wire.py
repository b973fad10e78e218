"""Requests as bytes over a socket, what no client library would send, and what was stored of them."""

import re
import socket
from contextlib import suppress
from typing import Final

from notifications.models import RawPayload

STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CONTENT_TYPES = [b"text/plain; a*=bogus''%ff", b"text/plain; charset=rot13"]


class Wire:
    """Sends raw bytes to a running site, and returns the answers' status codes."""

    def __init__(self, port: int) -> None:
        self._port = port

    def post(
        self, headers: bytes, body: bytes | list[bytes] = b"", *, path: bytes = b"/in/posted/", end: bool = False
    ) -> int:
        """The status, or 0 if the server hung up without a word.

        `body` may come in pieces, each in a packet of its own; `end` closes our side after it.
        """
        head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n" % (path, headers)
        with self._connect() as connection:
            with suppress(OSError):  # it had read enough to refuse it; ENOTCONN is no ConnectionError
                for piece in [head, *(body if isinstance(body, list) else [body])]:
                    connection.sendall(piece)
                if end:
                    connection.shutdown(socket.SHUT_WR)
            words: list[bytes] = []
            with suppress(ConnectionError):
                words = connection.makefile("rb").readline().split()
            return int(words[1]) if words else 0

    def send(self, data: bytes, *, end: bool = False) -> list[int]:
        """Send it; the status of each answer until the server closes the connection, as it does when all is quiet."""
        with self._connect() as connection:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return [int(status) for status in STATUS.findall(connection.makefile("rb").read())]

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def bodies() -> list[bytes]:
    return [bytes(body) for body in RawPayload.objects.order_by("pk").values_list("inline_body", flat=True)]


def length(number: int) -> bytes:
    return b"Content-Length: %d\r\n" % number


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


CUT: Final = {
    "in a chunk": b"5\r\nhello\r\n5\r\nhe",
    "between chunks": b"5\r\nhello\r\n",
    "in a size": b"5\r\nhello\r\n1",
    "after the head": b"",
    "no size": b"zz\r\nhello\r\n0\r\n\r\n",
    "a size as Python writes it": b"5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a size line that ends in LF": b"5\nhello\r\n0\r\n\r\n",
    "no end of a chunk": b"5\r\nhello5\r\nhello\r\n0\r\n\r\n",
    "a line that never ends": b"5\r\nhello\r\n5;" + b"x" * 100_000,
}
