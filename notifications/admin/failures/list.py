"""Failures as groups: people fix a line of code, then retry all payloads that failed there at once."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from notifications.admin.failures import compare, page
from notifications.admin.failures.actions import payloads_of
from notifications.admin.failures.retries import last_retry
from notifications.admin.failures.sparkline import DAY, counts_of, sparkline
from notifications.admin.failures.state_actions import StateActions
from notifications.admin.lists.actions_done import actions_on
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import EMPTY, first_line, since
from notifications.admin.lists.confirm import MOST
from notifications.admin.lists.filters import ChoiceFilter, SourceFilter, bounded, chosen_in
from notifications.admin.lists.keyset import Listing
from notifications.admin.lists.keyset_list import KeysetChangeList, KeysetReadOnly
from notifications.admin.lists.names import may, url_name
from notifications.admin.lists.order import Order
from notifications.models import FailureGroup, RawPayload
from notifications.utils import graphemes

LAST_SEEN: Final = Order("last_at")
#: Characters of a title in the list.
LONGEST_TITLE: Final = 120


class GroupStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in FailureGroup.State.choices]

    def parse(self, value: str) -> dict[str, Any]:
        return {"state": value} if value in FailureGroup.State.values else {}

    def counts(self) -> dict[str, str]:
        states = FailureGroup.State.values
        return {state: bounded(FailureGroup.objects.filter(state=state)) for state in states}


class FailureList(KeysetChangeList):
    """The last failure first, each group with how many payloads fail this way now, and its last day."""

    age_column = "last_at"

    def lay_out(self, rows: QuerySet[Any]) -> Listing:
        chosen = chosen_in(self.filter_specs)
        if "nothing" in chosen:
            return Listing(rows.none(), LAST_SEEN)
        return self.laid_out(rows, LAST_SEEN, [], [Q(**{name: value}) for name, value in chosen.items()])

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        hours = counts_of([group.pk for group in self.result_list], DAY)
        for group in self.result_list:
            group.count = payloads_of(group).count("pk", MOST)  # from the index alone: states are in the rows
            group.hours_failed = hours.get(group.pk, {})


@admin.display(description="payloads")
def number(group: Any) -> SafeString | str:
    if not group.count.total:
        return EMPTY
    return format_html('<a href="{}">{}</a>', page.payload_list(group), group.count)


@admin.display(description="failure")
def title(group: FailureGroup) -> SafeString:
    """What fails; below it the group's number, its source and the place."""
    about = filter(None, (f"#{group.pk}", visible(group.source), visible(group.place)))
    short = graphemes.first(first_line(group.title), LONGEST_TITLE, "…")
    return format_html('{}<span class="place">{}</span>', short, " · ".join(about))


@admin.display(description="last 24 hours")
def last_day(group: Any) -> SafeString:
    return sparkline(group.hours_failed, DAY)


@admin.display(description="last seen", ordering="age")
def last(group: FailureGroup) -> SafeString:
    return format_html(
        '{}<span class="place">first\N{NO-BREAK SPACE}{}</span>', since(group.last_at), since(group.first_at)
    )


@admin.display(description="state")
def state(group: FailureGroup) -> SafeString:
    return page.state_label(group)


@admin.register(FailureGroup)
class FailureGroupAdmin(StateActions, KeysetReadOnly):
    """Users who may see payloads may see these; the permission change_rawpayload is for the actions."""

    change_form_template = "notifications/admin/failure.html"
    none_yet = "None: no handler has failed."
    list_display = (title, state, last_day, number, last)
    list_filter = (GroupStateFilter, SourceFilter)
    list_per_page = 25  # each one's payloads are counted
    sortable_by = (last,)
    search_fields = ("title", "place", "source")
    search_help_text = "A part of the exception's type or message, of the place or of the source"
    fieldsets = page.FIELDSETS

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compare)
        return [path("<int:pk>/compare/", view, name=url_name(FailureGroup, "compare")), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FailureList]:
        return FailureList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"source", "state"}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(may(request, RawPayload, codename) for codename in ("view_rawpayload", "change_rawpayload"))

    def may_see_bodies(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and may(request, RawPayload, "view_body")

    def page_context(self, request: HttpRequest, row: FailureGroup) -> dict[str, Any]:
        return {
            "title": first_line(row.title),
            "may": self.has_process_permission(request),
            "may_compare": self.may_see_bodies(request),
            "actions_done": actions_on(row),
            "retry": last_retry(row),
        }

    @method_decorator(require_safe)
    def compare(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A failing body beside a good one."""
        return compare.page_of(self, request, pk)
