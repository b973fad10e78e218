"""journald, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram is one entry."""

import errno
import re
import socket
from collections.abc import Mapping
from datetime import datetime

from notifications.journal.base import EntryTooLarge, Journal, Reader, encode
from notifications.journal.journald_reader import JournaldReader
from notifications.journal.journald_state import check_cursor

#: With it the path of the socket stays below the 108 bytes of sockaddr_un.
NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

_STALE = (errno.EBADF, errno.ENOTSOCK)


def check_namespace(namespace: str) -> str:
    """The namespace as it came; "" is the machine's journal. Raises ValueError for what can be none."""
    if namespace and not NAMESPACE.fullmatch(namespace):
        raise ValueError(f"{namespace!r} is no journald namespace: use letters, digits, _, . and -")
    return namespace


class JournaldJournal(Journal):
    """The machine's journal, or that of a namespace. Readers give the entries of one SYSLOG_IDENTIFIER."""

    def __init__(self, namespace: str = "", *, identifier: str = "proppy") -> None:
        self.url = f"journald://{namespace}"
        self.namespace = check_namespace(namespace)
        self.identifier = identifier
        folder = f"journal.{namespace}" if namespace else "journal"
        self.socket_path = f"/run/systemd/{folder}/socket"
        self._socket: socket.socket | None = None

    def encode(self, fields: Mapping[str, str]) -> bytes:
        lines = []
        for key, value in fields.items():
            if "\n" in value:
                return _encode_with_lengths(fields)
            lines.append(f"{key}={value}\n")
        return "".join(lines).encode("utf-8", "surrogatepass")

    def write(self, record: bytes) -> None:
        # Never connected: a connected socket stays broken after a restart of journald. A fork may share it:
        # the kernel names the sender of each datagram.
        sock = self._socket or self._open_socket()
        try:
            sock.sendto(record, self.socket_path)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise EntryTooLarge(f"journald takes no datagram of {len(record)} bytes") from None
            if error.errno in _STALE:  # closed with all descriptors, as daemons do; may be another's by now
                sock.detach()
                self._socket = None
            raise

    def open(self, *, after: str | None = None, since: datetime | None = None, follow: bool = True) -> Reader:
        gap = None if after is None else check_cursor(self.namespace, after)
        since = since if after is None else None
        return JournaldReader(self.namespace, self.identifier, after, since, gap, follow=follow)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open_socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.setblocking(False)
        self._socket = sock
        return sock


def _encode_with_lengths(fields: Mapping[str, str]) -> bytes:
    """Each value after its length, so that a newline in it ends nothing."""
    parts = []
    for key, value in fields.items():
        data = encode(value)
        parts += [key.encode(), b"\n", len(data).to_bytes(8, "little"), data, b"\n"]
    return b"".join(parts)
