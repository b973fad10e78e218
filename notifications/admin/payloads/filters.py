"""Filters of payloads."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.filters import ChoiceFilter, SourceFilter, bounded
from notifications.admin.lists.order import LARGEST_ID
from notifications.models import FailureGroup, RawPayload, SourceTotal, State
from notifications.models.states import IS_STUCK, STUCK, WAITING
from notifications.utils import graphemes
from notifications.utils.times import parse_time, utc_now

COUNTABLE: Final = (*WAITING, *STUCK)
PERIODS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
#: Failure groups that can be chosen from the list; their own list has all.
GROUPS: Final = 8
LONGEST_LABEL: Final = 60


class PayloadSourceFilter(SourceFilter):
    def counts(self) -> dict[str, str]:
        """Of those that wait alone, which process_raw counts: to count all would read all."""
        waiting = SourceTotal.objects.filter(waiting__gt=0).values_list("source", "waiting")
        return {source: f"{count:,} waiting" for source, count in waiting}


class StateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in State.choices]

    def parse(self, value: str) -> dict[str, Any]:
        return {"state": State(value)} if value in State.values else {}

    def counts(self) -> dict[str, str]:
        """But of the done ones."""
        stuck = RawPayload.objects.filter(IS_STUCK)
        due = RawPayload.objects.filter(next_attempt_at__isnull=False)
        return {state.value: bounded((stuck if state in STUCK else due).filter(state=state)) for state in COUNTABLE}


class FailureFilter(ChoiceFilter):
    """By failure group: the last ones, and one that was chosen elsewhere."""

    title = "failure"
    parameter_name = "failure"
    folded = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        last = FailureGroup.objects.order_by("-last_at", "-pk")[:GROUPS]
        groups = {str(group.pk): _label(group) for group in last}
        if (value := self.value()) and value not in groups and (chosen := self.parse(value)):
            groups |= {str(group.pk): _label(group) for group in FailureGroup.objects.filter(pk=chosen["failure"])}
        return list(groups.items())

    def parse(self, value: str) -> dict[str, Any]:
        is_id = value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_ID
        return {"failure": int(value)} if is_id else {}

    def counts(self) -> dict[str, str]:
        rows = RawPayload.objects.filter(failure__isnull=False)
        return {str(pk): bounded(rows.filter(failure=pk)) for pk, _ in self.lookup_choices}


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

    def chosen_text(self) -> str:
        """What is chosen, for people."""
        return visible(graphemes.first(self.value() or "", LONGEST_LABEL, "…"))

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
