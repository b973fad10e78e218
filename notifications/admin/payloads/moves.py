"""Moves any number of selected payloads: a few hundred at a time, so that no lock is held for long."""

import logging
from array import array
from collections.abc import Callable, Iterator
from typing import Final

from django.db.models import QuerySet

from notifications.models import RawPayload
from notifications.models.claims import RawPayloadQuerySet
from notifications.operations import replay
from notifications.operations.replay import Moved

logger = logging.getLogger(__name__)

#: Below every SQLite's limit of parameters.
BATCH: Final = 500
#: Ids to read at a time.
READ: Final = 10_000


__all__ = ["Moved", "give_up", "process_again"]


def process_again(chosen: QuerySet[RawPayload], by: str, note: str = "") -> Moved:
    """Hand them to the workers as replay_raw does, at its rate. `by` is the user's name; both are recorded."""
    return replay.start(chosen, by=by, note=note)


def give_up(chosen: QuerySet[RawPayload], by: str) -> Moved:
    """Make the waiting ones dead. `by` is the user's name."""
    moved = _move(chosen, lambda payloads: payloads.give_up(by))
    logger.info("%s gave up %d payloads", by, moved.moved)
    return moved


def _move(chosen: QuerySet[RawPayload], change: Callable[[RawPayloadQuerySet], int]) -> Moved:
    moved = total = 0
    for pks in _batches(chosen):
        moved += change(RawPayload.objects.filter(pk__in=pks))
        total += len(pks)
    return Moved(moved, total - moved)


def _batches(chosen: QuerySet[RawPayload]) -> Iterator[list[int]]:
    """Ids from the newest down. All are read first, 8 bytes each: moved payloads may leave `chosen`, or come back."""
    pks = array("q", chosen.order_by().values_list("pk", flat=True).iterator(chunk_size=READ))
    pks = array("q", sorted(pks, reverse=True))
    for start in range(0, len(pks), BATCH):
        yield pks[start : start + BATCH].tolist()
