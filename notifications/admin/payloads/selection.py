"""The payloads that a list shows, and the index that sorts them: the table may have millions of rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from notifications.admin.lists.keyset import Listing
from notifications.admin.lists.order import Order
from notifications.models import State
from notifications.models.states import IS_STUCK, STUCK, WAITING

NEWEST: Final = Order(newest_by="received_at")
LATEST: Final = Order("received_at")
LAST_DONE: Final = Order("done_at")
#: The next due first: there may be a million of them, and their index has no other order.
NEXT: Final = Order("next_attempt_at", ascending=True)


@dataclass(frozen=True, slots=True)
class Selection:
    """What people chose. `found`: a search left a few, for which any index is fast. `nothing`: a choice is invalid."""

    source: str = ""
    state: str = ""
    failure: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    found: bool = False
    nothing: bool = False

    def of(self, rows: QuerySet[Any], lay_out: Callable[..., Listing] = Listing.of) -> Listing:
        """The selected ones of `rows`; `lay_out` makes the listing of an index and the conditions."""
        conditions = dict(self._conditions())
        if self.nothing:
            return Listing(rows.none(), NEWEST)
        if self.found:
            return lay_out(rows, NEWEST, conditions.values(), [])
        order, names = self._index()
        served = [conditions.pop(name) for name in names]
        if order is LATEST:
            return lay_out(rows, order, [], conditions.values(), since=self.since, until=self.until)
        return lay_out(rows, order, served, conditions.values())

    def _index(self) -> tuple[Order, tuple[str, ...]]:
        """The order of the index that leaves the fewest rows, and the conditions that it serves."""
        if self.failure is not None:
            return NEWEST, ("failure",)
        if self.state in STUCK:
            return NEWEST, ("state",)
        if self.state in WAITING:
            return NEXT, ("state",)
        if self.since or self.until:
            return LATEST, ("time",)
        if self.source and self.state == State.DONE:
            return LAST_DONE, ("source", "state")
        return NEWEST, ("source",) if self.source else ()

    def _conditions(self) -> Iterator[tuple[str, Q]]:
        if self.source:
            yield "source", Q(source=self.source)
        if self.state:
            yield "state", _in_state(self.state)
        if self.failure is not None:
            yield "failure", Q(failure=self.failure, failure__isnull=False)
        if self.since or self.until:
            since = Q(received_at__gte=self.since) if self.since else Q()
            yield "time", since & Q(received_at__lt=self.until) if self.until else since


def _in_state(state: str) -> Q:
    """With the implied conditions that let the database use its partial indexes."""
    if state in STUCK:
        return Q(IS_STUCK, state=state)
    return Q(state=state, next_attempt_at__isnull=False) if state in WAITING else Q(state=state, done_at__isnull=False)
