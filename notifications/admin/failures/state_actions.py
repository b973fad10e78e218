"""Actions on the state of failure groups, and the retry of one payload."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from notifications.admin.failures.actions import FailureActions, payloads_of, retry
from notifications.admin.lists.names import address, back_to_row
from notifications.models import FailureGroup, RawPayload, State
from notifications.utils.times import utc_now

if TYPE_CHECKING:
    from notifications.models.failures import FailureGroupQuerySet

#: For how long a group is muted, by the name that the form has for it.
MUTES: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


class StateActions(FailureActions):
    """They need the permission change_rawpayload."""

    actions: Any = ("acknowledge", "mute", "resolve", "reopen", "retry_one", "retry", "give_up")

    @admin.action(description="Acknowledge", permissions=["process"])
    def acknowledge(self, request: HttpRequest, queryset: "FailureGroupQuerySet") -> HttpResponse | None:
        changed = queryset.acknowledge(request.user.get_username())
        return self._say(request, f"Acknowledged: {changed:,}.")

    @admin.action(description="Mute for a day", permissions=["process"])
    def mute(self, request: HttpRequest, queryset: "FailureGroupQuerySet") -> HttpResponse | None:
        until = utc_now() + MUTES.get(request.POST.get("mute_for", ""), MUTES["day"])
        changed = queryset.mute(request.user.get_username(), until)
        return self._say(request, f"Muted: {changed:,}. They are counted, and not reported until then.")

    @admin.action(description="Resolve", permissions=["process"])
    def resolve(self, request: HttpRequest, queryset: "FailureGroupQuerySet") -> HttpResponse | None:
        changed = queryset.resolve(request.user.get_username())
        return self._say(request, f"Resolved: {changed:,}. Should it fail again, it is reported.")

    @admin.action(description="Reopen", permissions=["process"])
    def reopen(self, request: HttpRequest, queryset: "FailureGroupQuerySet") -> HttpResponse | None:
        changed = queryset.reopen(request.user.get_username())
        return self._say(request, f"Reopened: {changed:,}.")

    @admin.action(description="Retry one payload of each", permissions=["process"])
    def retry_one(self, request: HttpRequest, queryset: "FailureGroupQuerySet") -> HttpResponse | None:
        for group in queryset:
            pk = _newest(group)
            if pk is None:
                self.message_user(request, f"Group #{group.pk} has no payload to retry.")
                continue
            retry(group, RawPayload.objects.filter(pk=pk), request.user.get_username())
            link = address(RawPayload, "change", pk)
            text = '<a href="{}">One payload</a> of group #{} is to be processed again: its page says how that went.'
            self.message_user(request, format_html(text, link, group.pk))
        return back_to_row(request)

    def _say(self, request: HttpRequest, text: str) -> HttpResponse | None:
        self.message_user(request, text)
        return back_to_row(request)


def _newest(group: FailureGroup) -> int | None:
    """The newest payload that can be retried."""
    rows = payloads_of(group).all.filter(state__in=(State.DEAD, State.RETRYING))
    return rows.order_by("-pk").values_list("pk", flat=True).first()
