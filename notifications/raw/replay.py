"""Has payloads processed again, however many: a few hundred at a time and spread over time, in order of arrival."""

import logging
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from notifications.models import RawPayload, State
from notifications.raw.pauses import breathe, unhurried
from notifications.raw.selection import BATCH, Place, Selection, youngest
from notifications.raw.wake import wake

logger = logging.getLogger(__name__)

#: Payloads a second that become due: what comes meanwhile is handled first anyway.
RATE: Final = 100.0
#: Payloads that a step of `replay_raw` moves: live traffic waits behind a transaction, or for a core.
STEP: Final = 50
#: Seconds between two of those steps, unless the rate needs more of them.
PERIOD: Final = 0.1


class Moved(NamedTuple):
    """How many payloads were moved, and how many left alone."""

    moved: int
    left: int


class Places(Protocol):
    """What can be walked in a fixed order: a `Selection`, or what somebody ticked."""

    def places(self, *, after: Place | None, upper: int | None, limit: int) -> list[Place]: ...


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a replay got. What came after `upper`, or was done after `started_at`, is not part of it."""

    started_at: datetime
    upper: int
    total: int
    place: Place | None = None
    moved: int = 0
    left: int = 0
    #: When the next payload is due.
    due: datetime

    @property
    def seen(self) -> int:
        return self.moved + self.left


def begin(selection: Selection) -> Progress:
    """A replay of what is there now."""
    upper, now = youngest(), timezone.now()
    return Progress(started_at=now, upper=upper, total=selection.count(upper=upper), due=now)


def steps(chosen: Places, progress: Progress, *, rate: float, step: int | None = None) -> Iterator[None]:
    """Move `step` payloads (a few hundred) with each step, `rate` due each second; `progress` says how far it got.

    What is quarantined, or in a worker's hand, or new anyway, is left. Raises what the database raises.
    """
    apart = timedelta(seconds=1 / rate)
    while places := chosen.places(after=progress.place, upper=progress.upper, limit=step or BATCH):
        due = max(progress.due, timezone.now())
        # What was done after the start has just been replayed, by a run that was killed before it could note that.
        fixed = RawPayload.objects.exclude(Q(state=State.DONE, done_at__gt=progress.started_at))
        moved = fixed.filter(pk__in=[place.pk for place in places]).process_again(at=due, apart=apart)
        progress.moved += moved
        progress.left += len(places) - moved
        progress.due, progress.place = due + moved * apart, places[-1]
        yield


def period(rate: float) -> float:
    """Seconds between two steps of `STEP` payloads: twice as fast as they become due, or faster."""
    return min(PERIOD, STEP / (2 * rate))


def start(selection: "QuerySet[RawPayload]", *, by: str, rate: float = RATE) -> Moved:
    """Have all of a queryset's payloads processed again, `rate` a second, and wake the workers.

    `by` is who wants it. What is quarantined, or in a worker's hand, or new anyway, is left.
    """
    now = timezone.now()
    progress = Progress(started_at=now, upper=youngest(), total=0, due=now)
    for _ in unhurried(steps(_Chosen(selection), progress, rate=rate), breathe):
        transaction.on_commit(wake)
    logger.info("%s had %d payloads processed again", by, progress.moved)
    return Moved(progress.moved, progress.left)


class _Chosen:
    """Of the ids at the start, 8 bytes each: an order that no index has would be sorted again for each step."""

    def __init__(self, rows: "QuerySet[RawPayload]") -> None:
        ids = rows.order_by().values_list("pk", flat=True)
        self._ids = array("q", sorted(array("q", ids.iterator(chunk_size=10_000))))

    def places(self, *, after: Place | None, upper: int | None, limit: int) -> list[Place]:
        start = bisect_right(self._ids, after.pk) if after else 0
        ids = [pk for pk in self._ids[start : start + limit] if upper is None or pk <= upper]
        times = dict(RawPayload.objects.filter(pk__in=ids).values_list("pk", "received_at"))
        return [Place(times.get(pk, timezone.now()), pk) for pk in ids]
