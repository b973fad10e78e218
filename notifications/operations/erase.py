"""Erases one person's data: payloads of a period that contain a text, in database, storage and spool."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from notifications.bodies.storage import BodyDamaged, StorageFailed
from notifications.http.idempotency import receipt_beside
from notifications.models import Attempt, FailureGroup, RawPayload, State
from notifications.operations import prune
from notifications.operations.selection import Selection
from notifications.store.new_payload import Record, from_bytes
from notifications.store.spool import RECEIPT, SET_ASIDE, spool
from notifications.utils.clean_text import utf8

#: Payloads searched at a time.
BATCH: Final = 100
TEXTS: Final = ("headers_json", "path", "query", "content_type", "idempotency_key", "remote_addr", "error")


class Found(NamedTuple):
    """A payload with the text, and the parts that contain it. `row` is for prune.delete()."""

    row: prune.Row
    receipt: UUID
    received_at: datetime
    source: str
    state: str
    parts: tuple[str, ...]


class Waiting(NamedTuple):
    """A file of the spool with the text."""

    path: Path
    record: Record | None


@dataclass(slots=True)
class Search:
    """The text to find, in payloads received at or after `since` and before `until`."""

    pattern: re.Pattern[bytes]
    since: datetime
    until: datetime
    source: str = ""
    #: Payloads searched; those whose body could not be read, and the last reason.
    seen: int = 0
    unread: int = 0
    problem: str = ""

    @property
    def selection(self) -> Selection:
        """All payloads to search."""
        return Selection(source=self.source, since=self.since, until=self.until)

    def payloads(self) -> Iterator[list[Found]]:
        """Matches in the database and the storage of large bodies. Raises database errors."""
        for pks in self.selection.walk(limit=BATCH):
            sizes = RawPayload.objects.filter(pk__in=pks).order_by("pk").values_list("pk", "size", "stored_as")
            for rows in prune.in_batches(list(sizes)):
                loaded = RawPayload.objects.filter(pk__in=[pk for pk, _, _ in rows]).order_by("pk")
                tried = self._tried([pk for pk, _, _ in rows])
                matches = [found for payload in loaded if (found := self._look(payload, tried))]
                self.seen += len(rows)
                yield matches

    def spooled(self) -> list[Waiting]:
        """Matching files of this machine's spool, also those set aside. Raises OSError."""
        return [found for path in _files() if (found := self._look_at_file(path))]

    def groups(self) -> "QuerySet[FailureGroup]":
        """Failure groups with the text in their title or traceback. Raises database errors."""
        known = FailureGroup.objects.filter(last_at__gte=self.since, first_at__lt=self.until)
        ids = [group.pk for group in known.iterator() if self._is_in(group.title) or self._is_in(group.traceback)]
        return FailureGroup.objects.filter(pk__in=ids)

    def _is_in(self, text: str) -> bool:
        return self.pattern.search(utf8(text).encode()) is not None

    def _tried(self, pks: list[int]) -> set[int]:
        """Those of these payloads that have an attempt with the text."""
        attempts = Attempt.objects.filter(payload_id__in=pks).iterator()
        return {each.payload_id for each in attempts if self._is_in(each.traceback) or self._is_in(each.log)}

    def _look(self, payload: RawPayload, tried: set[int]) -> Found | None:
        parts = [name for name in TEXTS if self._is_in(getattr(payload, name))]
        if payload.pk in tried:
            parts.append("attempts")
        try:
            if self.pattern.search(payload.body):
                parts.insert(0, "body")
        except (BodyDamaged, StorageFailed) as error:
            self.unread += 1
            self.problem = str(error)
        if not parts:
            return None
        row = prune.row_of(payload.pk, payload.receipt, payload.size, payload.stored_as)
        names = tuple(name.removesuffix("_json") for name in parts)
        return Found(row, payload.receipt, payload.received_at, payload.source, payload.state, names)

    def _look_at_file(self, path: Path) -> Waiting | None:
        try:
            data = path.read_bytes()
            came = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:  # just imported: the search in the database finds it
            return None
        except PermissionError as error:
            self.unread += 1
            self.problem = str(error)
            return None
        try:
            record: Record | None = from_bytes(data)
        except ValueError:
            record = None
        if record:
            came = record.received_at
            if self.source and record.source != self.source:
                return None
        matches = self.since <= came < self.until and self.pattern.search(data)
        return Waiting(path, record) if matches else None


def erase(found: Sequence[Found]) -> Iterator[int]:
    """Delete them, except those that a worker is handling; yields how many with each transaction.

    Raises database errors, and OSError.
    """
    for rows in prune.in_batches([each.row for each in found]):
        yield prune.delete(rows, "state <> %s", [State.PROCESSING])


def erase_spooled(waiting: Sequence[Waiting]) -> int:
    """Delete files of the spool, and their rows if they were imported meanwhile; returns how many payloads.

    Raises database errors, and OSError.
    """
    erased = 0
    for path, record in waiting:
        there = path.exists()
        spool().remove([path])
        rows = _rows_of(record) if record else RawPayload.objects.none()
        imported = [prune.row_of(*columns) for columns in rows.values_list(*prune.COLUMNS)]
        if imported:
            there = bool(prune.delete(imported, "state <> %s", [State.PROCESSING])) or there
        erased += there
    return erased


def _rows_of(record: Record) -> "QuerySet[RawPayload]":
    """The rows of this record: not a payload with its key and other bytes."""
    receipts = [record.receipt, receipt_beside(record.receipt, record.digest)]
    return RawPayload.objects.filter(receipt__in=receipts, digest=record.digest)


def blank(groups: "QuerySet[FailureGroup]") -> int:
    """Remove the message, which may quote a body, from the titles of groups; the exception's type stays."""
    blanked = 0
    for group in groups:
        group.title = group.title.partition(":")[0]
        group.save(update_fields=["title"])
        blanked += 1
    return blanked


def _files() -> list[Path]:
    try:
        entries = sorted(spool().folder.iterdir())
    except FileNotFoundError:  # never used
        return []
    return [path for path in entries if RECEIPT.fullmatch(path.name) or path.name.endswith(SET_ASIDE)]
