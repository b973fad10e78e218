"""journald, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram is one entry."""

import errno
import re
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from threading import Lock

from notifications.forks import renew_after_fork
from notifications.journal.base import AUDIT_FIELDS, FIELDS, EntryTooLarge, Journal, Reader, encode
from notifications.journal.journald_reader import JournaldReader, Source

#: With it the path of the socket stays below the 108 bytes of sockaddr_un.
NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

_IDENTIFIER = "proppy"
#: "Suppressed N messages from UNIT": SD_MESSAGE_JOURNAL_DROPPED.
_DROPPED = ("MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e", "_TRANSPORT=driver")
_STALE = (errno.EBADF, errno.ENOTSOCK)


def check_namespace(namespace: str) -> str:
    """The namespace as it came; "" is the machine's journal. Raises ValueError for what can be none."""
    if namespace and not NAMESPACE.fullmatch(namespace):
        raise ValueError(f"{namespace!r} is no journald namespace: use letters, digits, _, . and -")
    return namespace


class JournaldJournal(Journal):
    """The machine's journal, or that of a namespace. Readers give the entries of one SYSLOG_IDENTIFIER.

    With `links`, a folder of this user alone, who follows sees an entry at once, else up to 0.4 s later.
    """

    def __init__(self, namespace: str = "", *, identifier: str = _IDENTIFIER, links: Path | None = None) -> None:
        self.url = f"journald://{namespace}"
        self.namespace = check_namespace(namespace)
        self.identifier = identifier
        folder = f"journal.{namespace}" if namespace else "journal"
        self.socket_path = f"/run/systemd/{folder}/socket"
        self._links = links
        self._socket: socket.socket | None = None
        self._lock = Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = Lock()

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

    def open(
        self, *, after: str | None = None, since: datetime | None = None, follow: bool = True, audit: bool = False
    ) -> Reader:
        source = Source(self.namespace, self._matches(audit=audit), AUDIT_FIELDS if audit else FIELDS, self._links)
        return JournaldReader(source, after, since if after is None else None, follow=follow)

    def _matches(self, *, audit: bool) -> list[str]:
        """For journalctl. No client can set _TRANSPORT, so that only journald itself writes what _DROPPED matches."""
        ours = [f"SYSLOG_IDENTIFIER={self.identifier}"]
        return [*ours, "+", *_DROPPED] if audit and self.identifier == _IDENTIFIER else ours

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open_socket(self) -> socket.socket:
        with self._lock:  # of two threads at once one would leave its socket unclosed
            if self._socket is None:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                sock.setblocking(False)
                self._socket = sock
            return self._socket


def _encode_with_lengths(fields: Mapping[str, str]) -> bytes:
    """Each value after its length, so that a newline in it ends nothing."""
    parts = []
    for key, value in fields.items():
        data = encode(value)
        parts += [key.encode(), b"\n", len(data).to_bytes(8, "little"), data, b"\n"]
    return b"".join(parts)
