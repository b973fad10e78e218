"""Other records of the tell lane: losses, refused entries, report rows."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.safestring import SafeString

from notifications.admin.lists.cells import LOADED, block, first_line, moment, since, text
from notifications.admin.lists.read_only import KeysetChangeList, ReadOnly
from notifications.models import Loss, Refusal, ReportRow


@admin.register(Loss)
class LossAdmin(ReadOnly):
    list_display = (moment("until"), "how_many", "of_channel", text("origin"), text("reason"), "told")
    fields = (
        "how_many",
        "of_channel",
        text("origin"),
        block("reason"),
        *map(moment, ("since", "until", "told_at")),
        text("key"),
    )
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    @admin.display(description="events")
    def how_many(self, loss: Loss) -> str:
        return "unknown" if loss.count is None else str(loss.count)

    @admin.display(description="channel")
    def of_channel(self, loss: Loss) -> str:
        return text("channel")(loss) if loss.channel else "all"

    @admin.display(description="reported")
    def told(self, loss: Loss) -> SafeString | str:
        return since(loss.told_at)


@admin.register(Refusal)
class RefusalAdmin(ReadOnly):
    """Each kind of refused entry, with the last one as an example."""

    list_display = ("since_last", "count", text("name"), text("author"), text("reason"), "example_start")
    fields = (
        "count",
        *map(text, ("name", "author")),
        block("reason"),
        block("example"),
        *map(moment, ("since", "until")),
        *map(text, ("journal", "machine")),
    )
    ordering = ("-until", "-id")

    def list_queryset(self, queryset: "QuerySet[Refusal]") -> "QuerySet[Any]":
        return queryset.defer("example").annotate(starts=Left("example", LOADED))

    @admin.display(description="last seen")
    def since_last(self, refusal: Refusal) -> SafeString | str:
        return since(refusal.until)

    @admin.display(description="example")
    def example_start(self, refusal: Any) -> str:
        return first_line(refusal.starts)


@admin.register(ReportRow)
class ReportRowAdmin(ReadOnly):
    list_display = ("day", text("name"), "count")
    fields = ("day", text("name"), "count")
    list_filter = ("day",)
    ordering = ("-day", "name")
