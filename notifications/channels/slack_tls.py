"""Slack's answer as a whole has a limit in time and size. urllib limits each read alone, and a server may drip."""

import math
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes with headers; Slack repeats the message in its answer.
LARGEST_ANSWER: Final = 1024 * 1024


class LimitedSocket(ssl.SSLSocket):
    """Its time-out is the time for handshake, request and answer together."""

    _ends = math.inf
    _left = LARGEST_ANSWER

    def do_handshake(self, block: bool = False) -> None:
        self._ends = time.monotonic() + (self.gettimeout() or math.inf)
        super().do_handshake(block)

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        if left < math.inf:
            self.settimeout(left)
        count = super().recv_into(buffer, nbytes, flags)
        self._left -= count
        if self._left < 0:
            raise OSError("the answer is too large")
        return count


@cache
def limited_context() -> ssl.SSLContext:
    """For slack_sdk's `ssl=`; without it a new one is made, of all root certificates, for each call."""
    context = ssl.create_default_context()
    context.sslsocket_class = LimitedSocket
    return context
