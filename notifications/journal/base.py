"""What a journal is: an append-only log of entries that anybody can read again from a position.

Writing never waits: a journal that cannot take an entry now raises, and `notifications.outbox` tries again.
Reading never waits either: the worker loop does, on `Reader.fileno()`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

#: Fields that journald and the file journal give back; `__CURSOR` and the time come besides.
FIELDS = ("MESSAGE", "PROPPY_EVENT", "PROPPY_ID", "PROPPY_DATA", "_PID", "_UID")

#: Fields for `Journal.open(audit=True)`: also who wrote an entry, and what journald itself says that it dropped.
AUDIT_FIELDS = (
    *FIELDS,
    "_SYSTEMD_UNIT",
    "_COMM",
    "_TRANSPORT",
    "MESSAGE_ID",
    "N_DROPPED",
    "OBJECT_PID",
    "OBJECT_SYSTEMD_UNIT",
)


class EntryTooLarge(ValueError):
    """The entry can never be written to this journal; trying again is of no use."""


class Entry(NamedTuple):
    """One entry as it was read. `fields` are JSON values as journalctl gives them; see `as_text`."""

    position: str
    time_us: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries after `position` were removed (rotation, vacuum) before they were read.

    Reading goes on at the oldest entry that is left. An entry that was read before is not given twice, except
    where the position itself is no longer known (the journal was wiped, or belongs to another machine).
    """

    position: str
    reason: str
    #: How many were removed, whoever wrote them: at most as many were ours. None where the journal cannot tell.
    count: int | None = None
    #: The times of the last entry before them and of the first one after them, where known.
    since_us: int | None = None
    until_us: int | None = None


def as_text(value: object) -> str:
    """The text of a field, whatever shape it came in.

    A string as it is; an array of byte numbers decoded; the first of a field that is repeated; else "".
    """
    while isinstance(value, list) and value:
        try:
            return decode(bytes(value))
        except (TypeError, ValueError):
            value = value[0]
    return value if isinstance(value, str) else ""


def decode(value: bytes) -> str:
    """Text from bytes. The inverse of `encode`; foreign bytes that are no UTF-8 become lone surrogates."""
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Bytes from any text, lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


class Journal(ABC):
    """One journal, named by its URL. Safe to use from any thread and after a fork."""

    #: Canonical address, part of the key of a follower's position.
    url: str

    @abstractmethod
    def encode(self, fields: Mapping[str, str]) -> bytes:
        """The record to hand to `write()`. Newlines, NULs or lone surrogates in a value forge no field."""

    @abstractmethod
    def write(self, record: bytes) -> None:
        """Append one entry without waiting.

        Raises OSError when the journal cannot take it now (full, stopped, absent, disk full), and
        EntryTooLarge when it never can.
        """

    @abstractmethod
    def open(
        self, *, after: str | None = None, since: datetime | None = None, follow: bool = True, audit: bool = False
    ) -> "Reader":
        """A reader of what comes after a position, or since a time, else from the oldest entry.

        With `follow` it goes on for ever; without, it is `exhausted` at the end of what is there.
        `since` (aware) skips what is older at the start; it is not looked at together with `after`.
        `audit` gives AUDIT_FIELDS too, and the entries of journald about those that it dropped; it is slower.
        Raises ValueError for a position that is none of this kind of journal, OSError where reading fails.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what this process holds. The journal may be used again afterwards."""


class Reader(ABC):
    """Reads one journal, oldest entry first. Not thread-safe; a context manager that closes itself."""

    #: True once everything has been read; only ever for readers that do not follow.
    exhausted: bool = False
    #: Set when entries between the position and the first entry read were lost. The caller clears it.
    gap: Gap | None = None
    #: Lines that were no entries (torn, foreign) and were passed over.
    skipped: int = 0
    #: Entries over 1 MiB, which no event of ours can be, and were passed over.
    oversized: int = 0
    #: Seconds after which to read again even if `fileno()` is None or did not become readable.
    interval: float = 1.0

    @abstractmethod
    def read(self, limit: int) -> list[Entry]:
        """Up to `limit` entries that are there now, without waiting; [] where there are none.

        Raises OSError when the journal cannot be read; a new reader may then be opened at the last position.
        """

    @abstractmethod
    def fileno(self) -> int | None:
        """A descriptor that becomes readable when `read()` may give more, or None. A read may change it."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
