"""Channels: how far each one got, what waits and why, what failed and what was lost."""

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import block, duration, first_line, moment, since, text, unbroken
from notifications.admin.lists.read_only import LeanChangeList, ReadOnly
from notifications.models import Position
from notifications.status.channels import ChannelStatus, channel_statuses
from notifications.status.lag import lags
from notifications.status.text import behind, follower
from notifications.status.verdict import verdict
from notifications.utils.times import utc_now

#: Seconds for a page to count the channels' lag.
SECONDS: Final = 1.0


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
    list_display = (
        "name",
        "stuck",
        "behind",
        "failed",
        "lost",
        "passed",
        "delivered",
        "follower",
    )
    fields = (
        text("channel"),
        "follower",
        "behind",
        *map(moment, ("entry_time", "delivered_at")),
        "waiting",
        moment("next_attempt_at"),
        block("problem"),
        "failed",
        "lost",
        *map(text, ("journal", "machine", "cursor")),
        moment("updated_at"),
    )
    ordering = ("channel", "journal", "machine")
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChannelList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_view = self.has_view_or_change_permission(request)  # Django asks after this
        context = {"verdict": verdict()} if may_view else {}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        position: Any = super().get_object(request, object_id, from_field)
        if position is not None:
            position.status = statuses([position])[position.pk]
        return position

    @admin.display(description="behind")
    def behind(self, position: Any) -> str:
        return unbroken(behind(position.status.behind))

    @admin.display(description="channel")
    def name(self, position: Position) -> SafeString:
        """Below it the journal, and the start of its machine's id."""
        where = f"{position.journal}, machine {position.machine[:8]}…"
        return format_html('{}<span class="place">{}</span>', visible(position.channel), first_line(where))

    @admin.display(description="last entry")
    def passed(self, position: Position) -> SafeString | str:
        return since(position.entry_time)

    @admin.display(description="last delivery")
    def delivered(self, position: Position) -> SafeString | str:
        return since(position.delivered_at)

    @admin.display(description="waiting")
    def stuck(self, position: Position) -> str:
        if not position.problem:
            return str(position.waiting)
        return f"{position.waiting}{self._next_attempt(position)}: {first_line(position.problem)}"

    def _next_attempt(self, position: Position) -> str:
        if position.next_attempt_at is None:
            return ""
        seconds = (position.next_attempt_at - utc_now()).total_seconds()
        return f", next try in {duration(seconds)}" if seconds > 0 else ""

    @admin.display(description="failed")
    def failed(self, position: Any) -> str:
        status: ChannelStatus = position.status
        return unbroken(f"{status.failed} ({status.again} again)") if status.again else str(status.failed)

    @admin.display(description="lost")
    def lost(self, position: Any) -> str:
        return f"{position.status.lost}{'+' * position.status.lost_more}"

    @admin.display(description="follower")
    def follower(self, position: Any) -> str:
        return unbroken(follower(position.status))
