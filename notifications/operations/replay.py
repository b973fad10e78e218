"""Has any number of payloads processed again: a few hundred at a time, spread over time, in order of arrival."""

import logging
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from django.db.models import Q, QuerySet

from notifications.database import bounded_wait
from notifications.models import RawPayload, State
from notifications.operations.pauses import breathe, unhurried
from notifications.operations.selection import BATCH, Place, Selection, youngest
from notifications.store.wake_workers import wake
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)

#: Payloads a second that become due; new payloads are handled first anyway.
RATE: Final = 100.0
#: Payloads that a step of `replay_raw` moves: live traffic waits for its transaction, or for a core.
STEP: Final = 50
#: Seconds between two of those steps, unless the rate needs more steps.
PERIOD: Final = 0.1


class Moved(NamedTuple):
    """How many payloads were moved, and how many left alone."""

    moved: int
    left: int


class Places(Protocol):
    """Payloads in a fixed order: a `Selection`, or those that an operator ticked."""

    def places(self, *, after: Place | None, upper: int | None, limit: int) -> list[Place]: ...


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a replay got. Payloads after the id `upper`, or done after `started_at`, are not part of it."""

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
    """A replay of the payloads that exist now."""
    upper, now = youngest(), utc_now()
    return Progress(started_at=now, upper=upper, total=selection.count(upper=upper), due=now)


def steps(
    chosen: Places, progress: Progress, *, rate: float, step: int | None = None, by: str = "", note: str = ""
) -> Iterator[None]:
    """Move `step` payloads (a few hundred) with each step, `rate` due each second; updates `progress`.

    `by` and `note`: who does it, and how, recorded for each payload.

    Quarantined, claimed and new payloads are left. Raises database errors.
    """
    apart = timedelta(seconds=1 / rate)
    while places := chosen.places(after=progress.place, upper=progress.upper, limit=step or BATCH):
        due = max(progress.due, utc_now())
        # Done after the start: already replayed, by a run that was killed before it saved its progress.
        # Not by a clock that is ahead now or was then.
        since = {"done_at__gt": progress.started_at, "done_at__lte": utc_now()}
        fixed = RawPayload.objects.exclude(Q(state=State.DONE, **since))
        moved = fixed.filter(pk__in=[place.pk for place in places]).process_again(by=by, note=note, at=due, apart=apart)
        progress.moved += moved
        progress.left += len(places) - moved
        progress.due, progress.place = due + moved * apart, places[-1]
        yield


def period(rate: float) -> float:
    """Seconds between two steps of `STEP` payloads: twice as fast as they become due, or faster."""
    return min(PERIOD, STEP / (2 * rate))


def start(selection: "QuerySet[RawPayload]", *, by: str, note: str = "") -> Moved:
    """Have all of a queryset's payloads processed again, RATE a second, and wake the workers.

    `by` is the operator's name, `note` is recorded with it. Quarantined, claimed and new payloads are left.
    """
    now = utc_now()
    progress = Progress(started_at=now, upper=youngest(), total=0, due=now)
    for _ in unhurried(steps(_Chosen(selection), progress, rate=RATE, by=by, note=note), breathe):
        bounded_wait.connection().on_commit(wake)
    logger.info("%s had %d payloads processed again", by, progress.moved)
    return Moved(progress.moved, progress.left)


class _Chosen:
    """All ids at the start, 8 bytes each: without an index for their order, each step would sort them again."""

    def __init__(self, rows: "QuerySet[RawPayload]") -> None:
        ids = rows.order_by().values_list("pk", flat=True)
        self._ids = array("q", sorted(array("q", ids.iterator(chunk_size=10_000))))

    def places(self, *, after: Place | None, upper: int | None, limit: int) -> list[Place]:
        start = bisect_right(self._ids, after.pk) if after else 0
        ids = [pk for pk in self._ids[start : start + limit] if upper is None or pk <= upper]
        times = dict(RawPayload.objects.filter(pk__in=ids).values_list("pk", "received_at"))
        return [Place(times.get(pk, utc_now()), pk) for pk in ids]
