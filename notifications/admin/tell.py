"""What the tell lane remembers: positions with their lag, failed deliveries, losses, report rows."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left, Right
from django.http import HttpRequest
from django.utils.safestring import SafeString

from notifications.admin.cells import LOADED, block, first_line, last_line, moment, pretty, since, text
from notifications.admin.read_only import ReadOnly
from notifications.models import FailedDelivery, Loss, Position, ReportRow


@admin.register(Position)
class PositionAdmin(ReadOnly):
    list_display = (text("channel"), "lag", "delivered", text("journal"), text("machine"))
    fields = (
        *map(text, ("channel", "journal", "machine")),
        "lag",
        *map(moment, ("entry_time", "delivered_at", "updated_at")),
        text("cursor"),
    )
    ordering = ("channel", "journal", "machine")

    # "At most", as a journal in which nothing new was written leaves its followers where they are.
    @admin.display(description="lag, at most")
    def lag(self, position: Position) -> SafeString | str:
        return since(position.entry_time)

    @admin.display(description="since last delivery")
    def delivered(self, position: Position) -> SafeString | str:
        return since(position.delivered_at)


@admin.register(FailedDelivery)
class FailedDeliveryAdmin(ReadOnly):
    """Deleting one says that it has been dealt with."""

    list_display = ("age", text("channel"), "reason_end", "text_start")
    fields = (
        text("channel"),
        moment("event_time"),
        moment("created_at"),
        block("reason"),
        block("text"),
        pretty("data"),
        text("event_id"),
    )
    ordering = ("-id",)

    def list_queryset(self, queryset: QuerySet[FailedDelivery]) -> QuerySet[FailedDelivery]:
        shown = queryset.only("channel", "created_at")
        return shown.annotate(ends=Right("reason", LOADED), starts=Left("text", LOADED))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    @admin.display(description="age")
    def age(self, failed: FailedDelivery) -> SafeString | str:
        return since(failed.created_at)

    @admin.display(description="reason")
    def reason_end(self, failed: Any) -> str:
        return last_line(failed.ends)

    @admin.display(description="text")
    def text_start(self, failed: Any) -> str:
        return first_line(failed.starts)


@admin.register(Loss)
class LossAdmin(ReadOnly):
    list_display = (moment("until"), "how_many", text("origin"), text("reason"))
    fields = ("how_many", text("origin"), block("reason"), moment("since"), moment("until"), text("key"))
    ordering = ("-id",)

    @admin.display(description="events")
    def how_many(self, loss: Loss) -> str:
        return "unknown" if loss.count is None else str(loss.count)


@admin.register(ReportRow)
class ReportRowAdmin(ReadOnly):
    list_display = ("day", text("name"), "count")
    fields = ("day", text("name"), "count")
    list_filter = ("day",)
    ordering = ("-day", "name")
