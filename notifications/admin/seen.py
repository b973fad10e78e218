"""Marking losses and refused entries as seen: on their lists and pages, by whom and when."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.actions_done import actions_on
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import since, when
from notifications.admin.lists.names import back_to_row, may
from notifications.models import Loss, Refusal
from notifications.models.seen import SeenQuerySet

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object


def more_since(row: Loss | Refusal) -> int:
    """How many refused entries came after it was marked; never any of a loss."""
    return max(row.count - row.seen_count, 0) if isinstance(row, Refusal) and row.seen_at else 0


def news(row: Loss | Refusal) -> SafeString | str:
    """In a list: who has seen it."""
    if row.seen_at is None:
        return format_html('<span class="state state-warning">{}</span>', "not yet")
    if more := more_since(row):
        return format_html('<span class="state state-warning">{} more</span>', f"{more:,}")
    return format_html('{}<span class="place">by {}</span>', since(row.seen_at), visible(row.seen_by))


@admin.display(description="seen")
def seen(row: Loss | Refusal) -> str:
    """On its page."""
    if row.seen_at is None:
        return "not yet: it is among the problems"
    more = more_since(row)
    text = f"{when(row.seen_at)} by {visible(row.seen_by)}"
    return f"{text}; {more:,} more since, so it is among the problems again" if more else text


class SeenActions(Base):
    """The actions of such a list. They need the model's permission to change it."""

    change_form_template = "notifications/admin/seen.html"
    actions: Any = ("mark_seen", "mark_unseen")

    def has_mark_permission(self, request: HttpRequest) -> bool:
        return may(request, self.model, f"change_{self.opts.model_name}")

    @admin.action(description="Mark as seen", permissions=["mark"])
    def mark_seen(self, request: HttpRequest, queryset: SeenQuerySet) -> HttpResponse | None:
        changed = queryset.mark_seen(request.user.get_username())
        return self._say(request, f"Marked as seen: {changed:,}.")

    @admin.action(description="Mark as not seen", permissions=["mark"])
    def mark_unseen(self, request: HttpRequest, queryset: SeenQuerySet) -> HttpResponse | None:
        changed = queryset.mark_unseen(request.user.get_username())
        return self._say(request, f"Marked as not seen: {changed:,}.")

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        is_news = row.seen_at is None or bool(more_since(row))
        return {"may": self.has_mark_permission(request), "is_news": is_news, "actions_done": actions_on(row)}

    def _say(self, request: HttpRequest, text: str) -> HttpResponse | None:
        self.message_user(request, text)
        return back_to_row(request)
