"""What people did, the last first: who, when, to which row."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import EMPTY, first_line, moment, since, text
from notifications.admin.lists.filters import ChoiceFilter, chosen_in
from notifications.admin.lists.keyset import Listing
from notifications.admin.lists.keyset_list import KeysetChangeList, KeysetReadOnly
from notifications.admin.lists.names import address
from notifications.admin.lists.order import Order
from notifications.models import FailedDelivery, FailureGroup, Loss, OperatorAction, RawPayload, Refusal

NEWEST: Final = Order(newest_by="at")
#: By the column that links to it: what the row is called.
ROWS: Final = {
    "payload": (RawPayload, "payload"),
    "failure": (FailureGroup, "failure group"),
    "delivery": (FailedDelivery, "failed delivery"),
    "loss": (Loss, "loss"),
    "refusal": (Refusal, "refused entry"),
}


class RowFilter(ChoiceFilter):
    """By what it was done to."""

    title = "done to"
    parameter_name = "to"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(column, name.capitalize()) for column, (_, name) in ROWS.items()]

    def parse(self, value: str) -> dict[str, Any]:
        return {"to": value} if value in ROWS else {}


class ActionList(KeysetChangeList):
    def lay_out(self, rows: QuerySet[Any]) -> Listing:
        chosen = chosen_in(self.filter_specs)
        if "nothing" in chosen:
            return Listing(rows.none())
        to = [Q(**{f"{chosen['to']}__isnull": False})] if "to" in chosen else []
        return self.laid_out(rows, NEWEST, [], to)


@admin.register(OperatorAction)
class OperatorActionAdmin(KeysetReadOnly):
    list_display = ("action", "row", "age")
    none_yet = "None yet: what people do to payloads, failures, deliveries and losses comes here."
    list_filter = (RowFilter,)
    sortable_by = ("age",)
    search_fields = ("by", "what", "note")
    search_help_text = "A part of a user's name, of what was done or of its note"
    fields = (text("what"), text("by"), moment("at"), "row", text("note"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ActionList]:
        return ActionList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "to"

    def page_context(self, request: HttpRequest, row: OperatorAction) -> dict[str, Any]:
        return {"title": f"{first_line(row.what).capitalize()} by {first_line(row.by)}"}

    @admin.display(description="action")
    def action(self, done: OperatorAction) -> SafeString:
        """What; below it who, and the note."""
        about = " · ".join(filter(None, (f"by {first_line(done.by)}", first_line(done.note))))
        return format_html('{}<span class="place">{}</span>', visible(done.what).capitalize(), about)

    @admin.display(description="done to")
    def row(self, done: OperatorAction) -> SafeString | str:
        """A link to the row, which may be gone."""
        for column, (model, name) in ROWS.items():
            if (pk := getattr(done, f"{column}_id")) is not None:
                return format_html('<a href="{}">{} #{}</a>', address(model, "change", pk), name, str(pk))
        return EMPTY

    @admin.display(description="age", ordering="age")
    def age(self, done: OperatorAction) -> SafeString | str:
        return since(done.at)
