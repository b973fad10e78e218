"""The payloads that an operator selects, in order of arrival, along one index, a few hundred at a time."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Coalesce

from notifications.database import bounded_wait
from notifications.models import RawPayload, State
from notifications.models.states import IS_STUCK, STUCK

#: Payloads read at a time.
BATCH: Final = 250


class Place(NamedTuple):
    """How far a walk got: up to and including this payload."""

    time: datetime
    pk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Payloads that match all that is set. Times are aware: received at or after `since`, before `until`."""

    receipts: tuple[uuid.UUID, ...] = ()
    source: str = ""
    state: State | None = None
    failure: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def places(self, *, after: Place | None = None, upper: int | None = None, limit: int = BATCH) -> list[Place]:
        """The next payloads, up to the id `upper`."""
        rows = self.rows(after=after, upper=upper)
        return [Place(*place) for place in rows.values_list("received_at", "pk")[:limit]]

    def walk(self, *, upper: int | None = None, limit: int = BATCH) -> Iterator[list[int]]:
        """The ids of all, `limit` at a time."""
        after: Place | None = None
        while places := self.places(after=after, upper=upper, limit=limit):
            yield [place.pk for place in places]
            after = places[-1]

    def count(self, *, upper: int | None = None) -> int:
        """How many match: reads the whole index."""
        return self.rows(upper=upper).order_by().count()

    def rows(self, *, after: Place | None = None, upper: int | None = None) -> "QuerySet[RawPayload]":
        """The payloads after a place, in the order of the index used."""
        leads = self._leading()
        rows = RawPayload.objects.all()
        for lookup, value in self._lookups():
            column = lookup.partition("__")[0]
            if column == leads or _knows_its_rows():
                rows = rows.filter(**{lookup: value})
            else:
                # As an expression: otherwise SQLite might take this column's index, in the wrong order.
                rows = rows.annotate(**{f"its_{column}": Coalesce(F(column), F(column))})
                rows = rows.filter(**{f"its_{lookup}": value})
        if leads == "state":
            rows = rows.filter(IS_STUCK)
        if upper is not None:
            rows = rows.filter(pk__lte=upper)
        if leads == "received_at":
            rows = rows.order_by("received_at", "pk")
            if after:
                later = Q(received_at__gt=after.time) | Q(pk__gt=after.pk)
                rows = rows.filter(later, received_at__gte=after.time)
            return rows
        return rows.filter(pk__gt=after.pk).order_by("pk") if after else rows.order_by("pk")

    def _leading(self) -> str:
        """The column whose index is used, the narrowest first."""
        if self.receipts:
            return "receipt"
        if self.failure is not None:
            return "failure_id"
        if self.state in STUCK:
            return "state"
        if self.since:
            return "received_at"
        return "source" if self.source else "received_at" if self.until else ""

    def _lookups(self) -> Iterator[tuple[str, Any]]:
        if self.receipts:
            yield "receipt__in", self.receipts
        for lookup, value in (
            ("failure_id", self.failure),
            ("state", self.state),
            ("source", self.source or None),
            ("received_at__gte", self.since),
            ("received_at__lt", self.until),
        ):
            if value is not None:
                yield lookup, value


def youngest() -> int:
    """The id of the payload that came last; 0 if there is none."""
    found: int | None = RawPayload.objects.aggregate(last=Max("pk"))["last"]
    return found or 0


def _knows_its_rows() -> bool:
    """PostgreSQL chooses indexes well by its statistics; SQLite has none unless somebody runs ANALYZE."""
    return bounded_wait.connection().vendor == "postgresql"
