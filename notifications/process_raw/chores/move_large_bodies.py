"""Moves large bodies from their rows to the storage, and deletes bodies noted for it. Chores of process_raw."""

import hashlib
import logging
import re
import time
from typing import Final

from django.db import Error
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from notifications.bodies import deletion_notes, storage
from notifications.database.deadline import deadline
from notifications.models import RawPayload, row_bodies
from notifications.utils.retry_delay import backoff

logger = logging.getLogger(__name__)

#: The condition of the index raw_large, to the letter: else SQLite does not use the index.
IS_TO_MOVE: Final = RawSQL("size > 262144 AND inline_body IS NOT NULL", [], output_field=BooleanField())
#: A call starts no further body after so many seconds.
STEP: Final = 0.5
#: Seconds until the next look for large bodies.
IDLE: Final = 5.0
#: The most seconds between two rounds over bodies that could not be moved.
LONGEST_PAUSE: Final = 60.0
#: Seconds until the next look for bodies to delete.
BETWEEN_LOOKS: Final = 60.0
#: Seconds for the database; the storage has its own time-outs.
LONGEST_WORK: Final = 20.0
#: The id in the name of a body. The receipt before it can have changed.
ID: Final = re.compile(r"-(\d+)$")


class BodyMover:
    """Moves bodies one by one, whatever the state of their payloads.

    It goes up the ids and then starts again, so a body that cannot be moved blocks no other. After a crash the body is
    in its row; the next try overwrites a copy in the storage.
    """

    def __init__(self) -> None:
        self._after = 0
        self._failed_rounds = 0
        self._failed = False
        self._next_round = 0.0

    def __call__(self) -> float:
        """Move some bodies. Returns the seconds until the next call. Raises StorageFailed and database errors."""
        end = time.monotonic() + STEP
        while (pk := self._next()) is not None:
            self._after = pk
            self._move(pk)
            if time.monotonic() >= end:
                return 0.0
        return IDLE

    def _next(self) -> int | None:
        pk = _next_after(self._after)
        if pk is None and self._after and self._may_start_again():
            self._after = 0
            pk = _next_after(0)
        return pk

    def _may_start_again(self) -> bool:
        if time.monotonic() < self._next_round:
            return False
        self._failed_rounds = self._failed_rounds + 1 if self._failed else 0
        self._failed = False
        return True

    def _move(self, pk: int) -> None:
        try:
            move(pk)
        except Exception:
            self._failed = True
            self._next_round = time.monotonic() + backoff(self._failed_rounds + 1, cap=LONGEST_PAUSE)
            raise


def move(pk: int) -> None:
    """Move the body of one row, if the row exists and has one. Raises StorageFailed and database errors."""
    row = RawPayload.objects.filter(IS_TO_MOVE, pk=pk).only("receipt", "source", "size", "digest").first()
    if row is None:
        return
    try:
        with deadline(LONGEST_WORK):
            body = RawPayload.objects.whole_body(pk)
    except (row_bodies.Moved, RawPayload.DoesNotExist):  # another worker was faster
        return
    if hashlib.sha256(body.getbuffer()).hexdigest() != row.digest:
        raise storage.StorageFailed(f"{row}: the database returns another body than was stored")
    name = storage.name_of(row.receipt, pk)
    stored_as = storage.save(name, body, size=row.size, digest=row.digest)
    try:
        moved = take_out_of_row(pk, stored_as)
    except Error:
        if stored_as != name:  # else the next try overwrites it
            deletion_notes.write([stored_as])
        raise
    if moved:
        logger.debug("%s: %d bytes moved to %s", row, row.size, stored_as)
    elif _is_orphaned(pk, stored_as):
        storage.delete([stored_as])


def take_out_of_row(pk: int, stored_as: str) -> bool:
    """Clear the body of the row, which is in the storage now. False if the row is gone, or moved already."""
    row = RawPayload.objects.filter(pk=pk, inline_body__isnull=False)
    with deadline(LONGEST_WORK):
        return bool(row.update(inline_body=None, stored_as=stored_as))


def _next_after(pk: int) -> int | None:
    with deadline(LONGEST_WORK):
        return RawPayload.objects.filter(IS_TO_MOVE, pk__gt=pk).order_by("pk").values_list("pk", flat=True).first()


def _is_orphaned(pk: int, stored_as: str) -> bool:
    """Whether the row is gone, or another worker has moved its body under another name."""
    row = RawPayload.objects.filter(pk=pk).values_list("stored_as", flat=True).first()
    return row is None or row != stored_as


def delete_noted() -> float:
    """Delete the bodies in due notes. Returns the seconds until the next call. Raises OSError and database errors."""
    for note in deletion_notes.due():
        deletion_notes.postpone(note)  # so that no other worker starts on it, nor we too soon if the storage is away
        names = deletion_notes.read(note)
        storage.delete(set(names) - _in_use(names))
        note.unlink(missing_ok=True)
    return BETWEEN_LOOKS


def _in_use(names: list[str]) -> set[str]:
    """Names that a row has, or whose row may just be moved: the deletion of the row was not committed."""
    found = {int(match[1]): name for name in names if (match := ID.search(name))}
    if len(found) < len(names):  # the storage chooses names itself, so no index helps
        return set(RawPayload.objects.filter(stored_as__in=names).values_list("stored_as", flat=True))
    rows = RawPayload.objects.filter(pk__in=found).values_list("pk", "stored_as")
    return {found[pk] for pk, stored_as in rows if stored_as in {"", found[pk]}}
