"""Channels: how far each one got, what waits and why, what failed and what was lost."""

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import EMPTY, block, duration, first_line, moment, text, unbroken, when
from notifications.admin.lists.names import address
from notifications.admin.lists.read_only import LeanChangeList, ReadOnly
from notifications.admin.payloads.curl import quote
from notifications.models import FailedDelivery, Loss, Position, Refusal
from notifications.status.channels import ChannelState, ChannelStatus, channel_statuses, is_left
from notifications.status.lag import lags
from notifications.status.text import behind, follower
from notifications.status.verdict import verdict
from notifications.utils.times import utc_now

#: Seconds for a page to count the channels' lag: what takes longer is "at least".
SECONDS: Final = 0.1
#: Channels that keep the accounts, and where those are.
ACCOUNTS: Final[dict[str, type[Model]]] = {"LOST": Loss, "REFUSED": Refusal}


def statuses(positions: list[Position]) -> dict[int, ChannelStatus]:
    """The statuses of one page's positions, counted once."""
    return channel_statuses(positions, utc_now(), lags(positions, seconds=SECONDS))


class ChannelList(LeanChangeList):
    """Each position with its channel's status."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        positions: Any = list(self.result_list)
        found = statuses(positions)
        for position in positions:
            position.status = found[position.pk]
        self.result_list = positions


@admin.register(Position)
class PositionAdmin(ReadOnly):
    """With the verdict above the list: all problems, not those of channels alone."""

    change_list_template = "notifications/admin/channels.html"
    none_yet = "None yet: start manage.py follow_journal, and each channel that it follows comes here."
    list_display = ("name", "state", "why", "waits", "failed", "lost", "follower")
    fields = (
        text("channel"),
        "state_in_full",
        block("problem", "why"),
        "waits",
        moment("next_attempt_at"),
        "failed",
        "lost",
        "events",
        *map(moment, ("entry_time", "delivered_at")),
        "follower",
        *map(text, ("journal", "machine", "cursor")),
        moment("updated_at"),
    )
    ordering = ("channel", "journal", "machine")
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChannelList

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only of those that say nothing any more."""
        return obj is not None and admin.ModelAdmin.has_delete_permission(self, request, obj) and is_left(obj)

    def above_list(self, request: HttpRequest) -> dict[str, Any]:
        return {"verdict": verdict()} if request.method == "GET" else {}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        position: Any = super().get_object(request, object_id, from_field)
        if position is not None:
            position.status = statuses([position])[position.pk]
        return position

    def page_context(self, request: HttpRequest, row: Position) -> dict[str, Any]:
        return {"title": f"Channel {first_line(row.channel)}"}

    @admin.display(description="channel")
    def name(self, position: Position) -> SafeString:
        """Below it the journal, and the start of its machine's id."""
        where = f"{position.journal}, machine {position.machine[:8]}…"
        return format_html('{}<span class="place">{}</span>', visible(position.channel), first_line(where))

    @admin.display(description="state")
    def state(self, position: Any) -> SafeString:
        """In a word; below it since when, and when it tries again."""
        status: ChannelStatus = position.status
        ago = f"for {duration((utc_now() - status.since).total_seconds())}" if status.since else ""
        below = ", ".join(filter(None, (ago, self._next_attempt(position))))
        return format_html('{}<span class="place">{}</span>', word(status.state), below)

    @admin.display(description="state")
    def state_in_full(self, position: Any) -> SafeString:
        status: ChannelStatus = position.status
        since = f"since {when(status.since)}" if status.since else ""
        return format_html("{} {}", word(status.state), since)

    @admin.display(description="why")
    def why(self, position: Position) -> str:
        return first_line(position.problem) or EMPTY

    @admin.display(description="waiting")
    def waits(self, position: Any) -> str:
        """In hand, and those behind, which are not yet read."""
        unread = behind(position.status.behind)
        return ", ".join([f"{position.waiting:,} in hand", f"{unread} behind"])

    def _next_attempt(self, position: Position) -> str:
        if position.next_attempt_at is None:
            return ""
        seconds = (position.next_attempt_at - utc_now()).total_seconds()
        return f"next try in {duration(seconds)}" if seconds > 0 else ""

    @admin.display(description="failed")
    def failed(self, position: Any) -> SafeString | str:
        """A link to its failed deliveries."""
        status: ChannelStatus = position.status
        shown = f"{status.failed:,} ({status.again:,} again)" if status.again else f"{status.failed:,}"
        return _link(FailedDelivery, position, unbroken(shown)) if status.failed else shown

    @admin.display(description="lost")
    def lost(self, position: Any) -> SafeString | str:
        """A link to the records of its losses."""
        status: ChannelStatus = position.status
        shown = f"{status.lost:,}{'+' * status.lost_more}"
        return _link(Loss, position, shown) if status.lost or status.lost_more else shown

    @admin.display(description="events")
    def events(self, position: Position) -> SafeString | str:
        """They are in the journal: the command that prints them, or what an account has in their place."""
        if model := ACCOUNTS.get(position.channel):
            name = model._meta.verbose_name_plural
            return format_html('<a href="{}">{}</a>', address(model, "changelist"), str(name).capitalize())
        command = f"manage.py follow_journal --channel {quote(position.channel)} --since '1 hour ago' --dry-run"
        return format_html("<code>{}</code> prints them.", visible(command))

    @admin.display(description="follower")
    def follower(self, position: Any) -> str:
        return unbroken(follower(position.status))


def word(state: ChannelState) -> SafeString:
    """A state, coloured."""
    return format_html('<span class="state channel-{}">{}</span>', state, state)


def _link(model: type[Model], position: Position, shown: str) -> SafeString:
    query = urlencode({"channel": position.channel})
    return format_html('<a href="{}?{}">{}</a>', address(model, "changelist"), query, shown)
