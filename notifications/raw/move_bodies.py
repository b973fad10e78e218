"""Moves large bodies from their rows to the storage; a chore of process_raw."""

import hashlib
import logging
import re
import time
from typing import Final

from django.db import Error
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from notifications.backoff import backoff
from notifications.deadline import deadline
from notifications.models import RawPayload
from notifications.raw import body_store, deletion_notes, row_bodies

logger = logging.getLogger(__name__)

#: The condition of the index raw_large to the letter: SQLite recognises it in no other form.
IS_TO_MOVE: Final = RawSQL("size > 262144 AND inline_body IS NOT NULL", [], output_field=BooleanField())
#: Seconds that a call may take before it starts on another body.
STEP: Final = 0.5
#: Seconds until it is looked again for large bodies.
IDLE: Final = 5.0
#: Seconds between two rounds over bodies that could not be moved, at most.
LONGEST_PAUSE: Final = 60.0
#: Seconds between two looks at the notes of bodies to delete.
BETWEEN_LOOKS: Final = 60.0
#: Seconds for what is to do in the database; the storage has time-outs of its own.
LONGEST_WORK: Final = 20.0
#: The id in the name of a body; the receipt before it may be another one by now.
ID: Final = re.compile(r"-(\d+)$")


class BodyMover:
    """Moves bodies one after the other, whatever the state of their payloads.

    It goes up the ids, so that a body that cannot be moved holds up no other, and starts anew at their end. A crash
    leaves the body in its row, at most with a copy in the storage that the next try overwrites.
    """

    def __init__(self) -> None:
        self._after = 0
        self._failed_rounds = 0
        self._failed = False
        self._next_round = 0.0

    def __call__(self) -> float:
        """Move some; gives the seconds until the next call. Raises StorageFailed, and what the database raises."""
        end = time.monotonic() + STEP
        while (pk := self._next()) is not None:
            self._after = pk
            self._move(pk)
            if time.monotonic() >= end:
                return 0.0
        return IDLE

    def _next(self) -> int | None:
        pk = _next_after(self._after)
        if pk is None and self._after and self._may_start_anew():
            self._after = 0
            pk = _next_after(0)
        return pk

    def _may_start_anew(self) -> bool:
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
    """Move the body of one row, if it is there and has one. Raises StorageFailed, and what the database raises."""
    row = RawPayload.objects.filter(IS_TO_MOVE, pk=pk).only("receipt", "source", "size", "digest").first()
    if row is None:
        return
    try:
        with deadline(LONGEST_WORK):
            body = row_bodies.whole(pk)
    except (row_bodies.Moved, RawPayload.DoesNotExist):  # another worker was faster
        return
    if hashlib.sha256(body.getbuffer()).hexdigest() != row.digest:
        raise body_store.StorageFailed(f"{row}: the database gives another body than was stored in it")
    name = body_store.name_of(row.receipt, pk)
    stored_as = body_store.save(name, body, size=row.size, digest=row.digest)
    try:
        moved = _let_go(pk, stored_as)
    except Error:
        if stored_as != name:  # else the next try overwrites it
            deletion_notes.write([stored_as])
        raise
    if moved:
        logger.debug("%s: %d bytes moved to %s", row, row.size, stored_as)
    elif _is_nobodys(pk, stored_as):
        body_store.delete([stored_as])


def _let_go(pk: int, stored_as: str) -> bool:
    """The body is in the storage now; False where it is not this row's any more."""
    row = RawPayload.objects.filter(pk=pk, inline_body__isnull=False)
    with deadline(LONGEST_WORK):
        return bool(row.update(inline_body=None, stored_as=stored_as))


def _next_after(pk: int) -> int | None:
    with deadline(LONGEST_WORK):
        return RawPayload.objects.filter(IS_TO_MOVE, pk__gt=pk).order_by("pk").values_list("pk", flat=True).first()


def _is_nobodys(pk: int, stored_as: str) -> bool:
    """Whether the row has gone meanwhile, or another worker has moved it under another name."""
    row = RawPayload.objects.filter(pk=pk).values_list("stored_as", flat=True).first()
    return row is None or row != stored_as


def delete_noted() -> float:
    """Delete the bodies that are noted for it; gives the seconds until the next look. Raises OSError and Error."""
    for note in deletion_notes.due():
        deletion_notes.postpone(note)  # nobody else begins on it, nor we again at once where the storage is away
        names = deletion_notes.read(note)
        body_store.delete(set(names) - _in_use(names))
        note.unlink(missing_ok=True)
    return BETWEEN_LOOKS


def _in_use(names: list[str]) -> set[str]:
    """Those of a row, or of one whose body may just be moved: whoever wanted to delete it was stopped before."""
    found = {int(match[1]): name for name in names if (match := ID.search(name))}
    if len(found) < len(names):  # the storage has names of its own, and no index helps
        return set(RawPayload.objects.filter(stored_as__in=names).values_list("stored_as", flat=True))
    rows = RawPayload.objects.filter(pk__in=found).values_list("pk", "stored_as")
    return {found[pk] for pk, stored_as in rows if stored_as in {"", found[pk]}}
