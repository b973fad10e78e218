"""Moves the payloads that somebody chose, however many: a few hundred at a time, so that no lock is held for long."""

import logging
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from notifications.models import RawPayload
from notifications.models.claims import RawPayloadQuerySet
from notifications.raw.wake import wake

logger = logging.getLogger(__name__)

#: Below the number of parameters that every SQLite takes.
BATCH: Final = 500


class Moved(NamedTuple):
    """How many payloads were moved, and how many left alone."""

    moved: int
    left: int


def process_again(chosen: QuerySet[RawPayload], by: str) -> Moved:
    """Hand them to the workers as if new, and wake those. `by` is the user's name."""
    moved = _move(chosen, lambda payloads: payloads.process_again())
    logger.info("%s had %d payloads processed again", by, moved.moved)
    transaction.on_commit(wake)
    return moved


def give_up(chosen: QuerySet[RawPayload], by: str) -> Moved:
    """Make those that wait dead. `by` is the user's name."""
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
    """Ids from the newest down: what is moved may come back, or leave `chosen`, without being met twice."""
    pks = chosen.order_by("-pk").values_list("pk", flat=True)
    batch = list(pks[:BATCH])
    while batch:
        yield batch
        batch = list(pks.filter(pk__lt=batch[-1])[:BATCH])
