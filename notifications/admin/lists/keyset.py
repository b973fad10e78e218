"""Keyset pages of a list: each begins where another ended, however far back, whatever comes and goes meanwhile.

One index sorts the list and serves some of its conditions. If there are other conditions, a page scans at most `window`
rows of that index and links to the next ones: no page is slow, however rare its matches are. By a column that has no
index only the first SORTED rows are sorted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import BooleanField, Case, Q, QuerySet, Value, When

from notifications.admin.lists.order import NEWEST, Bound, Key, Order

#: Rows that one page scans.
WINDOW: Final = 10_000
#: Rows that are sorted by a column without an index.
SORTED: Final = 5_000
#: Query parameters: the page after a key, in the order of the list, or before it.
AFTER: Final = "after"
BEFORE: Final = "before"


class Page(NamedTuple):
    """Rows, and the keys for the links to the pages before and after; "" if there is none.

    `cut`: the link that scans on, if a window did not reach the end. `ends`: the keys between which it looked, None at
    an end of the list. `by_number`: before and after are numbers of pages.
    """

    rows: list[Any]
    before: str
    after: str
    cut: str = ""
    ends: tuple[Key | None, Key | None] = (None, None)
    by_number: bool = False

    @property
    def is_part(self) -> bool:
        """Whether there may be more than this page shows."""
        return bool(self.before or self.after)


class Count(NamedTuple):
    """How many rows have each value of a column, and whether there are more."""

    by_value: dict[str, int]
    more: bool

    @property
    def total(self) -> int:
        return sum(self.by_value.values())

    def __str__(self) -> str:
        return f"{self.total:,}{'+' * self.more}"


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows in `order`: those of `rows` from `since` to before `until`, times of the order's column.

    `among` are the rows that the order's index alone serves, if those differ. `window`: how many of those a page scans.
    """

    rows: QuerySet[Any]
    order: Order = NEWEST
    among: QuerySet[Any] | None = None
    since: datetime | None = None
    until: datetime | None = None
    window: int = 0

    @classmethod
    def of(
        cls,
        rows: QuerySet[Any],
        order: Order,
        served: Iterable[Q],
        others: Iterable[Q],
        *,
        window: int = 0,
        **span: datetime | None,
    ) -> "Listing":
        """Those of `rows` that meet all conditions; the order's index serves the conditions in `served`."""
        among, rest = rows.filter(*served), [_not_by_index(condition) for condition in others]
        return cls(among.filter(*rest), order, among if rest else None, **span, window=window or WINDOW)

    @property
    def all(self) -> QuerySet[Any]:
        """All of them, unpaged."""
        return self.order.between(self.rows, *self._bounds())

    def page(self, parameters: Mapping[str, str], size: int) -> Page:
        """The page that the query parameters ask for; the first if they are invalid."""
        if after := self.order.parse(parameters.get(AFTER, "")):
            return self._forwards(after, size)
        if before := self.order.parse(parameters.get(BEFORE, "")):
            return self._backwards(before, size)
        return self._forwards(None, size)

    def count(self, column: str, most: int) -> Count:
        """How many rows have each value of a column, of the first `most` that a page scans."""
        rows, edge = self._from(None)
        values = list(rows.values_list(column, flat=True)[: most + 1])
        return Count(dict(sorted(Counter(values[:most]).items())), more=edge is not None or len(values) > most)

    def sorted_page(self, column: str, number: int, size: int, *, descending: bool) -> tuple[Page, int]:
        """A page of the first SORTED rows that a page scans, sorted by a column; and of how many, if not of all."""
        rows, edge = self._from(None)
        found = list(rows.values_list(column, "pk")[: SORTED + 1])
        is_part, found = edge is not None or len(found) > SORTED, found[:SORTED]
        start = min(number - 1, max(len(found) - 1, 0) // size) * size
        pks = [pk for _, pk in sorted(found, reverse=descending)][start : start + size]
        by_pk = {row.pk: row for row in self.rows.filter(pk__in=pks)}
        before, after = (str(start // size) if start else ""), str(start // size + 2)
        shown = [by_pk[pk] for pk in pks if pk in by_pk]
        page = Page(shown, before, after if start + size < len(found) else "", by_number=True)
        return page, len(found) if is_part else 0

    def time_of(self, key: Key | None, *, last: bool) -> datetime | None:
        """The time of a place in the list, of the order's column or `received_at`; of None its first or last row."""
        among = self.rows if self.among is None else self.among
        if key is not None and key[0] is not None:
            return key[0]
        if key is not None:
            rows = among.model._default_manager.filter(pk=key[1])
        else:
            rows = self.order.between(among, *self._bounds()).order_by(*self.order.fields(reverse=last))
        return rows.values_list(self.order.time, flat=True).first() if self.order.time else None

    def _forwards(self, start: Key | None, size: int) -> Page:
        rows, edge = self._from(start)
        found = list(rows[: size + 1])
        shown = found[:size]
        end = self.order.key(shown[-1]) if len(found) > size else edge
        before = self.order.text(self.order.key(shown[0])) if shown and start else ""
        cut = AFTER if end is edge is not None else ""
        return Page(shown, before, self.order.text(end) if end else "", cut=cut, ends=(start, end))

    def _backwards(self, start: Key, size: int) -> Page:
        rows, edge = self._from(start, reverse=True)
        found = list(rows[: size + 1])
        if len(found) <= size and edge is None:
            return self._forwards(None, size)  # a full first page
        shown = found[:size][::-1]
        top = self.order.key(shown[0]) if len(found) > size else edge
        bottom = self.order.key(shown[-1]) if shown else edge
        after, before = (self.order.text(key) if key else "" for key in (bottom, top))
        return Page(shown, before, after, cut=BEFORE if top is edge else "", ends=(top, start))

    def _from(self, start: Key | None, *, reverse: bool = False) -> tuple[QuerySet[Any], Key | None]:
        """Sorted rows from a key on, up to the edge of the window if that is not the end."""
        edge = None if self.among is None else self._edge(self.among, start, reverse=reverse)
        return self._sorted(self.rows, start, edge, reverse=reverse), edge

    def _edge(self, among: QuerySet[Any], start: Key | None, *, reverse: bool) -> Key | None:
        rows = self._sorted(among, start, None, reverse=reverse)
        columns = [name for name in (self.order.column, "pk") if name]
        last = rows.values_list(*columns)[self.window : self.window + 1].first()
        return None if last is None else (last[0] if self.order.column else None, last[-1])

    def _sorted(self, rows: QuerySet[Any], start: Key | None, end: Key | None, *, reverse: bool) -> QuerySet[Any]:
        """After `start` and up to `end`."""
        first, last = start and Bound(start, False), end and Bound(end, True)
        lower, upper = (first, last) if self.order.ascending != reverse else (last, first)
        return self.order.between(rows, *self._bounds(lower, upper)).order_by(*self.order.fields(reverse=reverse))

    def _bounds(self, lower: Bound | None = None, upper: Bound | None = None) -> tuple[Bound | None, Bound | None]:
        """The tighter of these bounds and the times: given two, SQLite may start at the wider one."""
        lowest = Bound((self.since, 0), True) if self.since else None
        highest = Bound((self.until, 0), False) if self.until else None
        lowers, uppers = ([each for each in pair if each] for pair in ((lower, lowest), (upper, highest)))
        return max(lowers, default=None), min(uppers, default=None)


def _not_by_index(condition: Q) -> Any:
    """The condition in a form that no index serves: the planner might take that index, and sort."""
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())
