"""Erases what is about one person: payloads of a time in which a text occurs, wherever they wait."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from notifications.clean import utf8
from notifications.models import FailureGroup, RawPayload, State
from notifications.raw import prune
from notifications.raw.body_store import BodyDamaged, StorageFailed
from notifications.raw.record import Record, from_bytes
from notifications.raw.selection import Selection
from notifications.raw.spool import RECEIPT, SET_ASIDE, spool

#: Payloads that are looked at in one go.
BATCH: Final = 100
TEXTS: Final = ("headers_json", "path", "query", "content_type", "idempotency_key", "remote_addr", "error")


class Found(NamedTuple):
    """A payload with the text, and in which of its parts it is. `row` is what prune.delete() takes."""

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
    """What to look for, in payloads that came at or after `since` and before `until`."""

    pattern: re.Pattern[bytes]
    since: datetime
    until: datetime
    source: str = ""
    #: Payloads that were looked at; those whose body could not be read, with the reason.
    seen: int = 0
    unread: int = 0
    problem: str = ""

    @property
    def selection(self) -> Selection:
        """All that is looked at."""
        return Selection(source=self.source, since=self.since, until=self.until)

    def payloads(self) -> Iterator[list[Found]]:
        """Those in the database and the storage of large bodies. Raises what the database raises."""
        for pks in self.selection.walk(limit=BATCH):
            sizes = RawPayload.objects.filter(pk__in=pks).order_by("pk").values_list("pk", "size", "stored_as")
            for rows in prune.in_batches(list(sizes)):
                loaded = RawPayload.objects.filter(pk__in=[pk for pk, _, _ in rows]).order_by("pk")
                yield [found for payload in loaded if (found := self._look(payload))]
            self.seen += len(pks)

    def spooled(self) -> list[Waiting]:
        """Files of this machine's spool, also those that were set aside. Raises OSError."""
        return [found for path in _files() if (found := self._look_at_file(path))]

    def groups(self) -> "QuerySet[FailureGroup]":
        """Groups of failures with the text in their title. Raises what the database raises."""
        known = FailureGroup.objects.filter(last_at__gte=self.since, first_at__lt=self.until)
        ids = [group.pk for group in known.iterator() if self.pattern.search(utf8(group.title).encode())]
        return FailureGroup.objects.filter(pk__in=ids)

    def _look(self, payload: RawPayload) -> Found | None:
        parts = [name for name in TEXTS if self.pattern.search(getattr(payload, name).encode("utf-8", "replace"))]
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
        except FileNotFoundError:  # imported just now: it is found in the database
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
    """Delete them, but for those that a worker has in hand; gives how many with each transaction.

    Raises what the database raises, and OSError.
    """
    for rows in prune.in_batches([each.row for each in found]):
        yield prune.delete(rows, "state <> %s", [State.PROCESSING])


def erase_spooled(waiting: Sequence[Waiting]) -> int:
    """Delete files of the spool, and their rows where they were imported meanwhile; gives how many payloads.

    Raises what the database raises, and OSError.
    """
    erased = 0
    for path, record in waiting:
        there = path.exists()
        spool().remove([path])
        rows = RawPayload.objects.filter(receipt=record.receipt) if record else RawPayload.objects.none()
        imported = [prune.row_of(*columns) for columns in rows.values_list(*prune.COLUMNS)]
        if imported:
            there = bool(prune.delete(imported, "state <> %s", [State.PROCESSING])) or there
        erased += there
    return erased


def blank(groups: "QuerySet[FailureGroup]") -> int:
    """Take the message out of the titles of groups, which may quote a body; the type of the exception stays."""
    blanked = 0
    for group in groups:
        group.title = group.title.partition(":")[0]
        group.save(update_fields=["title"])
        blanked += 1
    return blanked


def _files() -> list[Path]:
    try:
        entries = sorted(spool().folder.iterdir())
    except FileNotFoundError:  # nothing has ever waited
        return []
    return [path for path in entries if RECEIPT.fullmatch(path.name) or path.name.endswith(SET_ASIDE)]
