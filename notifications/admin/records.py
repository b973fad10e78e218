"""Other records of the tell lane: losses, refused entries, report rows."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.deliveries.filters import ChannelFilter
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import EMPTY, LOADED, block, first_line, moment, since, text
from notifications.admin.lists.filters import SeenFilter, chosen_in
from notifications.admin.lists.keyset import Listing
from notifications.admin.lists.keyset_list import KeysetChangeList, KeysetReadOnly
from notifications.admin.lists.order import Order
from notifications.admin.lists.read_only import ReadOnly
from notifications.admin.seen import SeenActions, news, seen
from notifications.models import Loss, Refusal, ReportRow

NEWEST: Final = Order(newest_by="until")


class LossList(KeysetChangeList):
    """Newest first; the unseen ones by their own index."""

    def lay_out(self, rows: QuerySet[Any]) -> Listing:
        chosen = chosen_in(self.filter_specs)
        if "nothing" in chosen:
            return Listing(rows.none())
        is_seen = [Q(seen_at__isnull=not chosen["seen"])] if "seen" in chosen else []
        channel = [Q(channel__in=[chosen["channel"], ""])] if "channel" in chosen else []
        if chosen.get("seen") is False:
            return self.laid_out(rows, NEWEST, is_seen, channel)
        return self.laid_out(rows, NEWEST, [], [*is_seen, *channel])


@admin.register(Loss)
class LossAdmin(SeenActions, KeysetReadOnly):
    """The permission change_loss is for the actions."""

    none_yet = "None: no event was lost, as far as follow_journal knows."
    list_display = ("loss", "how_many", "age", "told", "seen_when")
    list_filter = (SeenFilter, ChannelFilter)
    sortable_by = ("age",)
    search_fields = ("reason", "origin")
    search_help_text = "A part of the reason or of the origin"
    fields = (
        "how_many",
        "of_channel",
        text("origin"),
        block("reason"),
        *map(moment, ("since", "until", "told_at")),
        text("key"),
        seen,
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LossList]:
        return LossList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"seen", "channel"}

    @admin.display(description="loss")
    def loss(self, loss: Loss) -> SafeString:
        """Why; below it who lost them, and the channel."""
        origin, channel = first_line(loss.origin), visible(loss.channel) if loss.channel else "all channels"
        return format_html('{}<span class="place">{}, {}</span>', first_line(loss.reason) or EMPTY, origin, channel)

    @admin.display(description="events")
    def how_many(self, loss: Loss) -> str:
        return "unknown" if loss.count is None else f"{loss.count:,}"

    @admin.display(description="age", ordering="age")
    def age(self, loss: Loss) -> SafeString | str:
        return since(loss.until)

    @admin.display(description="channel")
    def of_channel(self, loss: Loss) -> str:
        return text("channel")(loss) if loss.channel else "all"

    @admin.display(description="reported")
    def told(self, loss: Loss) -> SafeString | str:
        return since(loss.told_at)

    @admin.display(description="seen")
    def seen_when(self, loss: Loss) -> SafeString | str:
        return news(loss)


class RefusalSeenFilter(SeenFilter):
    """A few hundred rows, which Django itself filters."""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        chosen: Any = self.chosen()
        if "nothing" in chosen:
            return queryset.none()
        if "seen" not in chosen:
            return queryset
        rows: Any = queryset
        found: QuerySet[Any] = rows.seen() if chosen["seen"] else rows.unseen()
        return found


@admin.register(Refusal)
class RefusalAdmin(SeenActions, ReadOnly):
    """Each kind of refused entry, with the last one as an example. The permission change_refusal is for the actions."""

    none_yet = "None: each entry of the journal that looks like an event was one."
    list_display = ("kind", "how_many", "since_last", "example_start", "seen_when")
    list_filter = (RefusalSeenFilter,)
    fields = (
        "how_many",
        *map(text, ("name", "author")),
        block("reason"),
        block("example"),
        *map(moment, ("since", "until")),
        *map(text, ("journal", "machine")),
        seen,
    )
    ordering = ("-until", "-id")
    sortable_by = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "seen"

    def list_queryset(self, queryset: "QuerySet[Refusal]") -> "QuerySet[Any]":
        return queryset.defer("example").annotate(starts=Left("example", LOADED))

    @admin.display(description="refused")
    def kind(self, refusal: Refusal) -> SafeString:
        """Why; below it the name, and who wrote it."""
        name = f"{visible(refusal.name)}, " if refusal.name else ""
        reason, author = first_line(refusal.reason) or EMPTY, first_line(refusal.author)
        return format_html('{}<span class="place">{}by {}</span>', reason, name, author)

    @admin.display(description="entries")
    def how_many(self, refusal: Refusal) -> str:
        return f"{refusal.count:,}"

    @admin.display(description="last")
    def since_last(self, refusal: Refusal) -> SafeString | str:
        return since(refusal.until)

    @admin.display(description="example")
    def example_start(self, refusal: Any) -> str:
        return first_line(refusal.starts)

    @admin.display(description="seen")
    def seen_when(self, refusal: Refusal) -> SafeString | str:
        return news(refusal)


@admin.register(ReportRow)
class ReportRowAdmin(ReadOnly):
    none_yet = "None yet: events of a report channel are counted here, by day."
    list_display = ("day", text("name"), "how_many")
    fields = ("day", text("name"), "how_many")
    list_filter = ("day",)
    ordering = ("-day", "name")
    sortable_by = ()

    @admin.display(description="count")
    def how_many(self, row: ReportRow) -> str:
        return f"{row.count:,}"
