"""The Django side of a keyset list: its filters, its search for texts, its sorting, and what the page says of them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final

from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from notifications.admin.lists.cells import exact
from notifications.admin.lists.keyset import AFTER, BEFORE, Listing, Page
from notifications.admin.lists.order import NEWEST, Order
from notifications.admin.lists.pages import page_number
from notifications.admin.lists.read_only import LeanChangeList, ReadOnly

#: Rows in whose texts one page searches: a traceback is long.
SEARCHED: Final = 5_000
#: Longer terms find nothing.
LONGEST_TERM: Final = 200
#: The column that stands for the order of the list itself: sorting by it reads the index the other way round.
AGE: Final = "age"
#: What the times of an order's column are, for people.
TIMES: Final = {"done_at": "handled", "next_attempt_at": "due", "received_at": "received", "last_at": "last seen"}


class KeysetChangeList(LeanChangeList):
    """A list of possibly millions of rows, paged by keys."""

    listing: Listing
    #: The column of AGE, for indexes in another order.
    age_column = ""
    #: Of how many rows a sorted page is, if not of all.
    sorted_of = 0

    def lay_out(self, rows: QuerySet[Any]) -> Listing:
        """The rows with the filters applied, and their order."""
        return self.laid_out(rows, NEWEST, [], [])

    def laid_out(
        self, rows: QuerySet[Any], order: Order, served: Iterable[Q], others: Iterable[Q], **span: datetime | None
    ) -> Listing:
        """`Listing.of`, with the search among the conditions, and turned round if that was asked for."""
        if self.sorting == (AGE, True) and self._is_by_age(order):
            order = replace(order, ascending=not order.ascending)
        texts = self.texts
        return Listing.of(rows, order, served, [*others, *texts], window=SEARCHED if texts else 0, **span)

    def _is_by_age(self, order: Order) -> bool:
        return order.column in {"", self.age_column}

    @property
    def term(self) -> str:
        """The text to search for."""
        return self.query.strip()

    @property
    def texts(self) -> list[Q]:
        """The condition on the texts that are searched, if any."""
        if not self.term:
            return []
        found = Q(pk__in=[])
        for name in self.search_fields if len(self.term) <= LONGEST_TERM else ():
            found |= Q(**{f"{name}__icontains": self.term})
        return [found]

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """The one column that the list is sorted by: the last that was clicked."""
        columns = super().get_ordering_field_columns()
        known = [(at, way) for at, way in columns.items() if at < len(self.list_display) and self._sorts_by(at)]
        return dict(known[:1])

    def _sorts_by(self, at: int) -> str:
        """The name by which a column is sorted; "" if it is not."""
        shown: Any = self.list_display[at]
        if shown not in (self.sortable_by or ()):
            return ""
        column = getattr(self.model_admin, shown, None) if isinstance(shown, str) else shown
        return getattr(column, "admin_order_field", "")

    @property
    def sorting(self) -> tuple[str, bool] | None:
        """The name that was chosen, and whether it descends."""
        return next(
            ((self._sorts_by(at), way == "desc") for at, way in self.get_ordering_field_columns().items()), None
        )

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        for parameter in (AFTER, BEFORE):  # else they would get into the filters' links and lookups
            self.params.pop(parameter, None)
            self.filter_params.pop(parameter, None)
        self.listing = self.lay_out(super().get_queryset(request, exclude_parameters))
        return self.listing.all.order_by(*self.listing.order.fields())

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return []  # any order but the listing's would sort the whole table

    def get_results(self, request: HttpRequest) -> None:
        self.page = self._get_page(request)
        self.result_list, self.result_count = self.page.rows, len(self.page.rows)
        self.show_admin_actions, self.show_full_result_count = bool(self.page.rows), False
        self.full_result_count, self.can_show_all, self.multi_page = None, False, False

    def _get_page(self, request: HttpRequest) -> Page:
        name, descends = self.sorting or ("", False)
        if name == AGE and not self._is_by_age(self.listing.order):
            name, descends = self.age_column, not descends
        if not name or name == AGE:
            return self.listing.page(request.GET, self.list_per_page)
        page, self.sorted_of = self.listing.sorted_page(
            name, page_number(request), self.list_per_page, descending=descends
        )
        return page

    @property
    def newest_address(self) -> str:
        """The URL of the first page."""
        return self.get_query_string()

    @property
    def before_address(self) -> str:
        """The URL of the previous page, if there is one."""
        return self._address(BEFORE, self.page.before) if self.page else ""

    @property
    def after_address(self) -> str:
        """The URL of the next page, if there is one."""
        return self._address(AFTER, self.page.after) if self.page else ""

    def _address(self, parameter: str, key: str) -> str:
        by_number = self.page is not None and self.page.by_number
        return self.get_query_string({PAGE_VAR if by_number else parameter: key}) if key else ""

    @property
    def further_address(self) -> str:
        """The URL that scans on after a page that stopped at the end of a window."""
        return {AFTER: self.after_address, BEFORE: self.before_address}.get(self.page.cut, "") if self.page else ""

    @property
    def window(self) -> int:
        """Rows that a page scans."""
        return self.listing.window

    @property
    def searched(self) -> str:
        """Which range of times this page searched for the term; "" if it searched none."""
        if not self.texts or self.page is None or self.page.by_number:
            return ""
        start, end = (self.listing.time_of(key, last=at == 1) for at, key in enumerate(self.page.ends))
        if start is None or end is None:
            return ""
        what = TIMES.get(self.listing.order.time, "")
        first, last = sorted((start, end))
        return f"{what} from {exact(first)} to {exact(last)}".strip()


class KeysetReadOnly(ReadOnly):
    """Rows of a keyset list. `search_fields` are texts in which a page searches, among the rows that it scans."""

    search_fields: ClassVar[Any] = ()
    fields: ClassVar[Any] = None  # functions too, unlike in the stubs
    sortable_by: ClassVar[Any] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return queryset, False  # the list does it
