"""Sends datagrams to journald's socket: at once, or after a short wait."""

import errno
import socket
import struct
from threading import Lock
from typing import Final

from notifications.journal.base import EntryTooLarge
from notifications.utils.forks import renew_after_fork

_STALE: Final = (errno.EBADF, errno.ENOTSOCK)


class Sender:
    """One socket, made when it is needed. `send()` may wait `seconds` for a place in journald's socket.

    It is never connected, because a connected socket stays broken after a restart of journald. So poll() cannot tell
    whether journald's socket is full. The kernel's wait in sendto() can: it ends as soon as journald reads a datagram.
    A forked process may share it, because the kernel adds the sender to each datagram.
    """

    def __init__(self, path: str, *, seconds: float = 0.0) -> None:
        self._path, self._seconds = path, seconds
        self._socket: socket.socket | None = None
        self._lock = Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = Lock()

    def send(self, record: bytes) -> None:
        """Raises EntryTooLarge, and OSError if journald cannot take the record now."""
        sock = self._socket or self._open()
        try:
            sock.sendto(record, self._path)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise EntryTooLarge(f"journald takes no datagram of {len(record)} bytes") from None
            if error.errno in _STALE:  # closed by a daemon that closes all; another file may have the number
                sock.detach()
                self._socket = None
            raise

    def close(self) -> None:
        """The next `send()` makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        with self._lock:  # else two threads could open two sockets, and one would never be closed
            if self._socket is None:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                # Not settimeout(), which would poll() instead of waiting in sendto().
                sock.setblocking(self._seconds > 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(self._seconds))
                self._socket = sock
            return self._socket


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("@ll", whole, round((seconds - whole) * 1_000_000))
