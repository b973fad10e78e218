"""Sends bytes as they are, and gives the status of each answer that comes."""

import re
import socket
from typing import Final

STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
#: Seconds without a byte after which no more answers are awaited.
QUIET: Final = 1.5


def head(path: str, *headers: bytes, version: bytes = b"HTTP/1.1", end: bytes = b"\r\n") -> bytes:
    """The head of a POST."""
    lines = [b"POST %s %s" % (path.encode(), version), b"Host: localhost", *headers]
    return end.join(lines) + end + end


def chunks(*parts: bytes, extension: bytes = b"") -> bytes:
    """A chunked body, whole."""
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"


def exchange(port: int, data: bytes, *, shut: bool = False, reset: bool = False) -> list[int]:
    """Send it all; the statuses of the answers, until the server closes or is quiet."""
    with socket.create_connection(("127.0.0.1", port), timeout=QUIET) as line:
        try:
            line.sendall(data)
            if reset:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return []
            if shut:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has closed already: what did it say?
        return statuses(line)


def statuses(line: socket.socket) -> list[int]:
    """Those that come until the server closes or is quiet."""
    found = bytearray()
    try:
        while piece := line.recv(64 * 1024):
            found += piece
    except OSError:
        pass
    return [int(status) for status in STATUS.findall(bytes(found))]
