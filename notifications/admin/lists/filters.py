"""Filters of payloads. The list applies them itself: it must know all of them to use the right index.

An invalid choice matches nothing, not everything: the next action may be for all that match.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.order import LARGEST_ID
from notifications.conf import conf
from notifications.models import FailureGroup, State
from notifications.utils import graphemes
from notifications.utils.times import parse_time, utc_now

PERIODS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
#: Failure groups that can be chosen from the list; their own list has all.
GROUPS: Final = 8
LONGEST_LABEL: Final = 60


class ChoiceFilter(admin.SimpleListFilter):
    """One choice."""

    def has_output(self) -> bool:
        # Django ignores a choice if there is nothing to choose from.
        return super().has_output() or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset

    def chosen(self) -> dict[str, Any]:
        """What was chosen; "nothing" if it is invalid."""
        value = self.value()
        return (self.parse(value) or {"nothing": True}) if value else {}

    @abstractmethod
    def parse(self, value: str) -> dict[str, Any]:
        """What a value stands for; {} if it is invalid."""


def chosen_in(filters: "Iterable[Any]") -> dict[str, Any]:
    """What was chosen in the filters of a page; "nothing" if a choice is invalid."""
    chosen: dict[str, Any] = {}
    for each in filters:
        chosen |= each.chosen()
    return chosen


class SourceFilter(ChoiceFilter):
    """By source: those of the settings, since reading them from the table would scan it."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, visible(name)) for name in sorted(conf.sources)]

    def parse(self, value: str) -> dict[str, Any]:
        return {} if "\0" in value else {"source": value}  # PostgreSQL refuses it


class StateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in State.choices]

    def parse(self, value: str) -> dict[str, Any]:
        return {"state": State(value)} if value in State.values else {}


class FailureFilter(ChoiceFilter):
    """By failure group: the last ones, and one that was chosen elsewhere."""

    title = "failure"
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        last = FailureGroup.objects.order_by("-last_at", "-pk")[:GROUPS]
        groups = {str(group.pk): _label(group) for group in last}
        if (value := self.value()) and value not in groups and (chosen := self.parse(value)):
            groups |= {str(group.pk): _label(group) for group in FailureGroup.objects.filter(pk=chosen["failure"])}
        return list(groups.items())

    def parse(self, value: str) -> dict[str, Any]:
        is_id = value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_ID
        return {"failure": int(value)} if is_id else {}


class ReceivedFilter(ChoiceFilter):
    title = "time received"
    parameter_name = "received"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"Last {name}") for name in PERIODS]

    def parse(self, value: str) -> dict[str, Any]:
        return {"since": utc_now() - PERIODS[value]} if value in PERIODS else {}


class UntilFilter(ChoiceFilter):
    """Received before a time that people type."""

    title = "received before"
    parameter_name = "until"
    template = "notifications/admin/until_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def parse(self, value: str) -> dict[str, Any]:
        moment = _moment(value)
        return {"until": moment} if moment else {}

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The context of its template."""
        moment = _moment(self.value() or "")
        others = [(name, each) for name, values in changelist.filter_params.items() for each in values]
        yield {
            "value": timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S") if moment else "",
            "problem": visible(self.value() or "") if self.value() and not moment else "",
            "zone": timezone.get_current_timezone_name(),
            "others": [(name, each) for name, each in others if name != self.parameter_name],
            "without": changelist.get_query_string(remove=[self.parameter_name]),
        }


def _moment(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def _label(group: FailureGroup) -> str:
    return graphemes.first(visible(f"{group.source}: {group.title}"), LONGEST_LABEL, "…")
