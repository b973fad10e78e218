"""Filters of failed deliveries."""

import re
from typing import Any, Final

from django.db.models.functions import Right
from django.http import HttpRequest

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import LOADED, last_loaded_line
from notifications.admin.lists.filters import ChoiceFilter, bounded
from notifications.models import FailedDelivery, Position
from notifications.status.lag_counting import ACCOUNTS

FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")
#: Stands for no fingerprint, in an address: an older release wrote the row.
WITHOUT: Final = "none"


class ChannelFilter(ChoiceFilter):
    """By channel: those with a position, since reading them from this table would scan it."""

    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, visible(name)) for name in sorted(set(Position.objects.values_list("channel", flat=True)))]

    def parse(self, value: str) -> dict[str, Any]:
        return {} if "\0" in value else {"channel": value}  # PostgreSQL refuses it


class FailedChannelFilter(ChannelFilter):
    """Not by those that keep the accounts: they deliver nothing."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [choice for choice in super().lookups(request, model_admin) if choice[0] not in ACCOUNTS]

    def counts(self) -> dict[str, str]:
        return {name: bounded(FailedDelivery.objects.filter(channel=name)) for name, _ in self.lookup_choices}


class ReasonFilter(ChoiceFilter):
    """By the fingerprint of the reason, as the list of groups links to it: there is nothing to choose from."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not (chosen := self.parse(self.value() or "")):
            return []
        channel = request.GET.get("channel", "").replace("\0", "")
        if not channel:
            return [(self.value() or "", "one of them")]
        alike = FailedDelivery.objects.filter(channel=channel, **chosen).order_by("-pk")  # its index begins so
        end = alike.annotate(end=Right("reason", LOADED)).values_list("end", flat=True).first()
        return [(self.value() or "", last_loaded_line(end) if end else "one that is no more")]

    def parse(self, value: str) -> dict[str, Any]:
        if value == WITHOUT:
            return {"fingerprint": ""}
        return {"fingerprint": value} if FINGERPRINT.fullmatch(value) else {}


class AgainFilter(ChoiceFilter):
    """By whether it waits to be sent again."""

    title = "waits to be sent again"
    parameter_name = "again"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def parse(self, value: str) -> dict[str, Any]:
        return {"again": value == "yes"} if value in {"yes", "no"} else {}

    def counts(self) -> dict[str, str]:
        return {"yes": bounded(FailedDelivery.objects.filter(again_at__isnull=False))}
