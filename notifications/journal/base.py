"""What a journal is: an append-only log of entries that can be read again from any position.

`write()` never waits: if the journal cannot take the entry now, it raises and `notifications.events.outbox` retries.
Reading does not wait either: the worker loop does, on `Reader.fileno()`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

from notifications.journal.event_fields import event_fields

#: Fields of an entry that readers return, besides `__CURSOR` and the time.
FIELDS = ("MESSAGE", "PROPPY_EVENT", "PROPPY_ID", "PROPPY_DATA", "_PID", "_UID")

#: Fields for `Journal.open(audit=True)`: also who wrote the entry, and what journald says it dropped.
AUDIT_FIELDS = (
    *FIELDS,
    "_SYSTEMD_UNIT",
    "_COMM",
    "_TRANSPORT",
    "MESSAGE_ID",
    "N_DROPPED",
    "OBJECT_SYSTEMD_UNIT",
)


#: MESSAGE_ID of journald's own "Suppressed N messages from UNIT" (SD_MESSAGE_JOURNAL_DROPPED in sd-messages.h).
SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"


class EntryTooLarge(ValueError):
    """This journal will never take the entry. Do not try again."""


class Entry(NamedTuple):
    """One entry as it was read. `fields` are JSON values as journalctl prints them; see `as_text`."""

    position: str
    time_us: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries were removed (rotation, vacuum) or damaged before they were read.

    Reading continues with the next entry that is left. No entry is returned twice, unless the position itself is
    unknown now (the journal was wiped, or belongs to another machine): see `rereads`.
    """

    #: The position before the gap, or the name of what was damaged. Unique among the gaps of a journal.
    position: str
    reason: str
    #: How many entries were removed, ours and others. None if the journal cannot tell, and if it was damaged.
    count: int | None = None
    #: The times of the last entry before the gap and of the first one after it, if known.
    since_us: int | None = None
    until_us: int | None = None
    #: Whether entries that were read before are returned again.
    rereads: bool = False


def as_text(value: object) -> str:
    """Returns the text of a field of any shape.

    A string is returned as it is, an array of byte numbers decoded; of a repeated field the first; else "".
    """
    while isinstance(value, list) and value:
        try:
            return decode(bytes(value))
        except (TypeError, ValueError):
            value = value[0]
    return value if isinstance(value, str) else ""


def written_since(paths: Iterable[Path], since_us: int) -> int:
    """The bytes of the files that were written to after this time. A file that has just been removed has none."""
    total = 0
    for path in paths:
        with suppress(OSError):
            found = path.stat()
            total += found.st_size if found.st_mtime_ns // 1000 > since_us else 0
    return total


def decode(value: bytes) -> str:
    """Text from bytes, the inverse of `encode`. Bytes that are not UTF-8 become lone surrogates."""
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Bytes from any text, even with lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a reader starts with, and what it returns."""

    #: Read what comes after this position.
    after: str | None = None
    #: Without `after`: skip what is older than this (aware) time at the start.
    since: datetime | None = None
    #: Wait for new entries for ever. Without it the reader is `exhausted` at the end of what is there.
    follow: bool = True
    #: Return AUDIT_FIELDS too, and journald's own entries about what it dropped. Slower.
    audit: bool = False
    #: Also look for damaged and missing files, and read around the damage. Starts more slowly.
    thorough: bool = False
    #: Positions that others have read to. A journal that ends before one of them was cut.
    reached: Collection[str] = ()

    @property
    def since_us(self) -> int:
        """`since` in microseconds; 0 if the start is a position, or the oldest entry."""
        return 0 if self.since is None or self.after is not None else int(self.since.timestamp() * 1e6)


class Unread(NamedTuple):
    """How much was written after a time, and how much the journal keeps before it removes the oldest. Bytes."""

    written: int
    quota: int


class Found(NamedTuple):
    """What `Journal.find` found, oldest first. Not `whole`: the time ran out, or there are more."""

    entries: list[Entry]
    whole: bool


class Journal(ABC):
    """One journal, named by its URL. Any thread may use it, also after a fork."""

    #: Canonical address, part of the key of a follower's position.
    url: str
    #: Whether `write()` uses files, which may take their time: nothing for an event loop.
    uses_files: bool = False

    @abstractmethod
    def encode(self, fields: Mapping[str, str]) -> bytes:
        """Returns the record for `write()`. Newlines, NULs and lone surrogates in a value cannot forge a field."""

    def encode_event(self, name: str, text: str, event_id: str, data: str, receipt: UUID | None) -> bytes:
        """Returns what `encode` makes of these `event_fields`. A journal may have a faster way."""
        return self.encode(event_fields(name, text, event_id, data, receipt))

    @abstractmethod
    def write(self, record: bytes) -> None:
        """Appends one entry without waiting.

        Raises OSError if the journal cannot take it now (full, stopped, absent, disk full), and EntryTooLarge if it
        never can.
        """

    def write_patiently(self, record: bytes) -> None:
        """Like `write()`, but may wait up to 0.1 s for the journal to take the entry."""
        self.write(record)

    def open(
        self,
        *,
        after: str | None = None,
        since: datetime | None = None,
        follow: bool = True,
        audit: bool = False,
        thorough: bool = False,
        reached: Collection[str] = (),
    ) -> "Reader":
        """Returns a reader; `ReadOptions` explains the arguments. Without `after` and `since`: from the oldest entry.

        Raises ValueError if the position is not one of this kind of journal, and OSError if reading fails.
        """
        return self._reader(
            ReadOptions(after=after, since=since, follow=follow, audit=audit, thorough=thorough, reached=reached)
        )

    @abstractmethod
    def _reader(self, options: ReadOptions) -> "Reader":
        """For `open()`."""

    @abstractmethod
    def find(self, field: str, value: str, *, since: datetime, most: int, seconds: float) -> Found:
        """Returns the last `most` entries whose field has this value, which needs no escapes, since an (aware) time.

        Takes hardly more than `seconds`. Raises OSError if the journal cannot be read.
        """

    def unread(self, since_us: int) -> Unread | None:
        """What is in the files that were written to after this time; None if it has no files, or none to be seen."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Frees what this process holds. The journal may be used again."""


class Reader(ABC):
    """Reads one journal, oldest entry first. For one thread. As a context manager it closes itself."""

    #: Whether everything was read. Always false for a reader that follows.
    exhausted: bool = False
    #: Whether all that was there was read, and a process waits for new entries.
    follows: bool = False
    #: Lost entries, noted since `take_gaps()` was last called.
    _gaps: tuple[Gap, ...] = ()
    #: Lines that were not entries (torn, foreign) and were skipped.
    skipped: int = 0
    #: Entries over 1 MiB that were skipped. None of them was ours: no event is that large.
    oversized: int = 0
    #: Seconds after which to read again if `fileno()` is None or did not become readable.
    interval: float = 1.0

    @property
    def gap(self) -> Gap | None:
        """The first of the gaps that were noted."""
        return self._gaps[0] if self._gaps else None

    def note_gap(self, gap: Gap) -> None:
        """For readers: entries were lost."""
        self._gaps += (gap,)

    def date_gaps(self, time_us: int) -> None:
        """For readers: this is the time of the first entry after the gaps that have no end yet."""
        self._gaps = tuple(replace(gap, until_us=gap.until_us or time_us) for gap in self._gaps)

    def take_gaps(self) -> list[Gap]:
        """Returns the gaps that were noted since the last call."""
        gaps, self._gaps = list(self._gaps), ()
        return gaps

    @abstractmethod
    def read(self, limit: int) -> list[Entry]:
        """Returns up to `limit` entries without waiting; [] if there are none now.

        Raises OSError if the journal cannot be read. Then open a new reader at the last position.
        """

    @abstractmethod
    def fileno(self) -> int | None:
        """A descriptor that becomes readable when `read()` may return more, or None. A read may change it."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
