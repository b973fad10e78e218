"""Failed deliveries: why they failed, and actions to send them again."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Left, Right
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.deliveries.filters import AgainFilter, FailedChannelFilter, ReasonFilter
from notifications.admin.deliveries.groups import groups
from notifications.admin.deliveries.send_again import send_again, send_same_again
from notifications.admin.lists.actions_done import actions_on
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import (
    EMPTY,
    LOADED,
    block,
    duration,
    first_line,
    last_loaded_line,
    moment,
    pretty,
    since,
    text,
    when,
)
from notifications.admin.lists.filters import chosen_in
from notifications.admin.lists.keyset import Listing
from notifications.admin.lists.keyset_list import KeysetChangeList, KeysetReadOnly
from notifications.admin.lists.names import may
from notifications.admin.lists.order import Order
from notifications.admin.payloads.moves import Moved
from notifications.models import FailedDelivery
from notifications.utils import graphemes
from notifications.utils.times import utc_now

#: Characters of an event's text in the list.
LONGEST_TEXT: Final = 80
NEWEST: Final = Order(newest_by="created_at")
ASKED: Final = Order("again_at")


class FailedList(KeysetChangeList):
    """By when they failed, or by when they are to be sent again."""

    age_column = "created_at"

    def lay_out(self, rows: "QuerySet[Any]") -> Listing:
        chosen = chosen_in(self.filter_specs)
        if "nothing" in chosen:
            return Listing(rows.none())
        channel = [Q(channel=chosen["channel"])] if "channel" in chosen else []
        reason = [Q(fingerprint=chosen["fingerprint"])] if "fingerprint" in chosen else []
        asked = [Q(again_at__isnull=not chosen["again"])] if "again" in chosen else []
        if channel and reason:
            return self.laid_out(rows, NEWEST, [*channel, *reason], asked)
        if chosen.get("again"):
            return self.laid_out(rows, NEWEST if channel else ASKED, [*channel, *asked], reason)
        return self.laid_out(rows, NEWEST, channel, [*reason, *asked])


@admin.register(FailedDelivery)
class FailedDeliveryAdmin(KeysetReadOnly):
    """The permission change_faileddelivery is for the actions. Deleting one marks it as dealt with."""

    change_form_template = "notifications/admin/delivery.html"
    none_yet = "None: no channel has refused an event for good."
    change_list_template = "notifications/admin/deliveries.html"
    list_display = ("failure", "age", "sent_again")
    list_filter = (FailedChannelFilter, ReasonFilter, AgainFilter)
    sortable_by = ("age",)
    search_fields = ("reason", "text")
    search_help_text = "A part of the reason or of the event's text"
    fields = (
        text("channel"),
        "sent_again",
        moment("event_time"),
        moment("created_at"),
        block("reason"),
        block("text"),
        "author",
        pretty("data"),
        text("event_id"),
    )
    actions = ("send_again", "send_same_again")

    def list_queryset(self, queryset: "QuerySet[FailedDelivery]") -> "QuerySet[FailedDelivery]":
        shown = queryset.only("channel", "created_at", "again_at")
        return shown.annotate(ends=Right("reason", LOADED), starts=Left("text", LOADED))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FailedList]:
        return FailedList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"channel", "reason", "again"}

    def above_list(self, request: HttpRequest) -> dict[str, Any]:
        """The groups, above the list of all of them."""
        if request.GET or request.method != "GET":
            return {}
        found, more = groups()
        return {"groups": found, "more_groups": more, "may_send": self.has_send_permission(request)}

    def page_context(self, request: HttpRequest, row: FailedDelivery) -> dict[str, Any]:
        title = f"Failed delivery to {first_line(row.channel)}"
        return {"title": title, "may": self.has_send_permission(request), "actions_done": actions_on(row)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return may(request, FailedDelivery, "change_faileddelivery")

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: "QuerySet[FailedDelivery]") -> None:
        self._say(request, send_again(queryset, request.user.get_username()))

    @admin.action(description="Send again, with all others that failed for the same reason", permissions=["send"])
    def send_same_again(self, request: HttpRequest, queryset: "QuerySet[FailedDelivery]") -> None:
        self._say(request, send_same_again(queryset, request.user.get_username()))

    def _say(self, request: HttpRequest, done: Moved) -> None:
        left = f" Left alone: {done.left}, because they already wait for it." if done.left else ""
        self.message_user(request, f"To be sent again: {done.moved}.{left}")

    @admin.display(description="age", ordering="age")
    def age(self, failed: FailedDelivery) -> SafeString | str:
        return since(failed.created_at)

    @admin.display(description="failed delivery")
    def failure(self, failed: Any) -> SafeString:
        """The reason; below it the channel and the text's start."""
        return format_html(
            '{}<span class="place">{}: {}</span>',
            last_loaded_line(failed.ends) or EMPTY,
            visible(failed.channel),
            first_line(graphemes.first(failed.starts, LONGEST_TEXT, "…")),
        )

    @admin.display(description="author")
    def author(self, failed: FailedDelivery) -> str:
        return "known" if failed.author_known else "unknown: a plain line, from any user of the machine"

    @admin.display(description="to be sent again")
    def sent_again(self, failed: FailedDelivery) -> str:
        if failed.again_at is None:
            return EMPTY
        seconds = (utc_now() - failed.again_at).total_seconds()
        return f"waiting for {duration(seconds)}" if seconds > 0 else when(failed.again_at)
