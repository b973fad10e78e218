"""Failures as groups: people fix a line of code, then retry all payloads that failed there at once."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.failures.actions import FailureActions, payloads_of
from notifications.admin.lists.cells import EMPTY, first_line, moment, pre, since, text
from notifications.admin.lists.confirm import MOST
from notifications.admin.lists.filters import SourceFilter, chosen_in
from notifications.admin.lists.keyset import Count, Listing
from notifications.admin.lists.names import address, may
from notifications.admin.lists.order import Order
from notifications.admin.lists.read_only import KeysetChangeList, ReadOnly
from notifications.admin.payloads.page import LONGEST_ERROR
from notifications.models import FailureGroup, RawPayload
from notifications.utils import graphemes

#: Payloads that the page of a group shows.
SHOWN: Final = 10
LAST_SEEN: Final = Order("last_at")


class FailureList(KeysetChangeList):
    """The last failure first, each group with how many payloads fail this way now."""

    def lay_out(self, rows: QuerySet[Any]) -> Listing:
        chosen = chosen_in(self.filter_specs)
        if "nothing" in chosen:
            return Listing(rows.none(), LAST_SEEN)
        return Listing.of(rows, LAST_SEEN, [], [Q(source=chosen["source"])] if chosen else [])

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        for group in self.result_list:
            group.count = payloads_of(group).count("pk", MOST)  # from the index alone: states are in the rows


def count(group: FailureGroup) -> Count:
    """How many payloads fail this way now, by state."""
    return payloads_of(group).count("state", MOST)


@admin.display(description="payloads")
def number(group: Any) -> SafeString | str:
    return format_html('<a href="{}">{}</a>', _payload_list(group), group.count) if group.count.total else EMPTY


@admin.display(description="payloads")
def states(group: FailureGroup) -> SafeString | str:
    counted = count(group)
    if not counted.total:
        return "None fails this way now."
    each = ", ".join(f"{number:,} {state}" for state, number in counted.by_value.items())
    return format_html('<a href="{}">{}</a> ({})', _payload_list(group), counted, each)


@admin.display(description="newest payloads")
def newest(group: FailureGroup) -> SafeString | str:
    columns = ("receipt", "state", "received_at", "attempts", "source")
    payloads = payloads_of(group).all.order_by("-pk").only(*columns)[:SHOWN]
    rows = [(payload, since(payload.received_at), address(RawPayload, "change", payload.pk)) for payload in payloads]
    context = {"payloads": rows}
    return render_to_string("notifications/admin/payloads.html", context)


@admin.display(description="newest error")
def traceback(group: FailureGroup) -> SafeString | str:
    error = payloads_of(group).all.order_by("-pk").values_list("error", flat=True).first()
    return pre(graphemes.last(error or "", LONGEST_ERROR))


@admin.display(description="failure")
def title(group: FailureGroup) -> str:
    return first_line(group.title)


@admin.register(FailureGroup)
class FailureGroupAdmin(FailureActions, ReadOnly):
    """Users who may see payloads may see these; the permission change_rawpayload is for the actions."""

    change_form_template = "notifications/admin/failure.html"
    list_display = (
        title,
        "number",
        text("source"),
        text("place"),
        number,
        "last",
        "first",
    )
    list_filter = (SourceFilter,)
    list_per_page = 25  # each one's payloads are counted
    sortable_by = ()
    fields = (
        "replay",
        text("source"),
        text("title", "failure"),
        text("place"),
        states,
        "attempts",
        *map(moment, ("first_at", "last_at")),
        newest,
        traceback,
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FailureList]:
        return FailureList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "source"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(may(request, RawPayload, codename) for codename in ("view_rawpayload", "change_rawpayload"))

    def page_context(self, request: HttpRequest, row: FailureGroup) -> dict[str, Any]:
        return {"may": self.has_process_permission(request)}

    @admin.display(description="group")
    def number(self, group: FailureGroup) -> str:
        return f"#{group.pk}"

    @admin.display(description="in a terminal")
    def replay(self, group: FailureGroup) -> SafeString:
        return format_html("<code>manage.py replay_raw --failure {} --dry-run</code>", group.pk)

    @admin.display(description="first seen")
    def first(self, group: FailureGroup) -> SafeString | str:
        return since(group.first_at)

    @admin.display(description="last seen")
    def last(self, group: FailureGroup) -> SafeString | str:
        return since(group.last_at)


def _payload_list(group: FailureGroup) -> str:
    return f"{address(RawPayload, 'changelist')}?failure={group.pk}"
