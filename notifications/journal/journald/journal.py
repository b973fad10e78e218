"""journald, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram is one entry."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from notifications.journal.base import (
    AUDIT_FIELDS,
    FIELDS,
    SUPPRESSED,
    Found,
    Journal,
    Reader,
    ReadOptions,
    Unread,
    encode,
    written_since,
)
from notifications.journal.event_fields import INFO, PROPPY, RECEIPT
from notifications.journal.journald import quota
from notifications.journal.journald.reader import JournaldReader
from notifications.journal.journald.search import search
from notifications.journal.journald.sender import Sender
from notifications.journal.journald.what_to_read import Source

#: The length keeps the path of the socket below the 108 bytes of sockaddr_un.
NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

#: No client can set _TRANSPORT: only journald itself writes what has both fields.
_DROPPED = (f"MESSAGE_ID={SUPPRESSED}", "_TRANSPORT=driver")
SOCKETS: Final = "/run/systemd"
#: Seconds that `write_patiently()` waits for a place in the socket.
PATIENCE: Final = 0.1


def check_namespace(namespace: str) -> str:
    """Returns the namespace; "" is the machine's own journal. Raises ValueError for an invalid name."""
    if namespace and not NAMESPACE.fullmatch(namespace):
        raise ValueError(f"{namespace!r} is not a journald namespace: use letters, digits, _, . and -")
    return namespace


class JournaldJournal(Journal):
    """The machine's journal, or that of a namespace. Readers return the entries of one SYSLOG_IDENTIFIER.

    `links`: a folder of this user alone. With it followers see an entry at once, without it up to 0.4 s later.
    `archive`: a folder of journal files to read instead, such as those of a former machine id. `socket`: another one
    to write to than that of the namespace.
    """

    def __init__(
        self,
        namespace: str = "",
        *,
        identifier: str = PROPPY,
        links: Path | None = None,
        archive: Path | None = None,
        socket: str = "",
    ) -> None:
        self.url = f"journald://{namespace}"
        self.namespace = check_namespace(namespace)
        self.identifier = identifier
        folder = f"journal.{namespace}" if namespace else "journal"
        self.socket_path = socket or f"{SOCKETS}/{folder}/socket"
        self._links, self._archive = links, archive
        self._sender = Sender(self.socket_path)
        self._patient_sender = Sender(self.socket_path, seconds=PATIENCE)

    def encode(self, fields: Mapping[str, str]) -> bytes:
        text = "".join([f"{key}={value}\n" for key, value in fields.items()])
        if text.count("\n") > len(fields):
            return _encode_with_lengths(fields)
        return text.encode("utf-8", "surrogatepass")

    def encode_event(self, name: str, text: str, event_id: str, data: str, receipt: UUID | None) -> bytes:
        lines = (
            f"MESSAGE={name}: {text}\nPRIORITY={INFO}\nSYSLOG_IDENTIFIER={PROPPY}\nPROPPY_EVENT={name}\n"
            f"PROPPY_ID={event_id}\n"
        )
        count = 5
        if data:
            lines, count = f"{lines}PROPPY_DATA={data}\n", 6
        if receipt:
            lines, count = f"{lines}{RECEIPT}={receipt}\n", count + 1
        if lines.count("\n") > count:
            return super().encode_event(name, text, event_id, data, receipt)
        return lines.encode("utf-8", "surrogatepass")

    def write(self, record: bytes) -> None:
        self._sender.send(record)

    def write_patiently(self, record: bytes) -> None:
        self._patient_sender.send(record)

    def _reader(self, options: ReadOptions) -> Reader:
        ours = (f"SYSLOG_IDENTIFIER={self.identifier}",)
        wanted, fields = ([ours, _DROPPED], AUDIT_FIELDS) if options.audit else ([ours], FIELDS)
        return JournaldReader(Source(self.namespace, wanted, fields, self._links, self._archive), options)

    def find(self, field: str, value: str, *, since: datetime, most: int, seconds: float) -> Found:
        matches = [f"SYSLOG_IDENTIFIER={self.identifier}", f"{field}={value}"]
        return search(self.namespace, matches, since=since, most=most, seconds=seconds)

    def unread(self, since_us: int) -> Unread | None:
        found = quota.stored(self.namespace)
        return found and Unread(written_since(found.paths, since_us), found.quota)

    def close(self) -> None:
        self._sender.close()
        self._patient_sender.close()


def _encode_with_lengths(fields: Mapping[str, str]) -> bytes:
    """Writes the length before each value, so a newline in the value does not end it."""
    parts = []
    for key, value in fields.items():
        data = encode(value)
        parts += [key.encode(), b"\n", len(data).to_bytes(8, "little"), data, b"\n"]
    return b"".join(parts)
