"""Sockets that limit the time and size of a whole exchange: a time-out alone starts again with each byte."""

import math
import socket
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

#: Bytes with headers; Slack repeats the message in its answer.
LARGEST_ANSWER: Final = 1024 * 1024


class LimitedSocket(socket.socket):
    """Raises TimeoutError after the time of `limit()`, and OSError if the answer is too large."""

    _until = math.inf
    _left = LARGEST_ANSWER

    def limit(self, until: float) -> None:
        """Send and receive until this time.monotonic()."""
        self._until = until

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        self._set_timeout()
        return super().send(data, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        self._set_timeout()  # once for all pieces
        super().sendall(data, flags)

    def recv_into(self, buffer: "WriteableBuffer", *args: Any, **kwargs: Any) -> int:
        self._set_timeout()
        count = super().recv_into(buffer, *args, **kwargs)
        self._left -= count
        if self._left < 0:
            raise OSError("the answer is too large")
        return count

    def _set_timeout(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        if left < math.inf:
            self.settimeout(left)


class LimitedTLSSocket(LimitedSocket, ssl.SSLSocket):
    """Its time-out limits handshake, request and answer together, until limit() is called."""

    def do_handshake(self, block: bool = False) -> None:
        self.limit(time.monotonic() + (self.gettimeout() or math.inf))
        super().do_handshake(block)


def limited(sock: socket.socket, until: float) -> LimitedSocket:
    """Returns the same connection with a time limit. A TLS connection must come from `limited_context()`."""
    ours = sock if isinstance(sock, LimitedSocket) else LimitedSocket(fileno=sock.detach())
    ours.limit(until)
    return ours


@cache
def limited_context() -> ssl.SSLContext:
    """Made once: to read the certificate authorities takes longer than a request."""
    context = ssl.create_default_context()
    context.sslsocket_class = LimitedTLSSocket
    return context
