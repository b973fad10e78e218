"""Filters of lists. A list applies them itself: it must know all of them to use the right index.

An invalid choice matches nothing, not everything: the next action may be for all that match.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from notifications.admin.lists.body_view import visible
from notifications.conf import conf

#: Rows that are counted for a chip; more are "1,000+".
COUNTED: Final = 1000


class ChoiceFilter(admin.SimpleListFilter):
    """One choice."""

    #: Its choices are long, or rarely needed: they are shown on demand.
    folded = False

    def has_output(self) -> bool:
        # Django ignores a choice if there is nothing to choose from.
        return super().has_output() or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset

    def counts(self) -> dict[str, str]:
        """By choice, how many rows there are, where an index knows: nothing that reads many."""
        return {}

    def chosen(self) -> dict[str, Any]:
        """What was chosen; "nothing" if it is invalid."""
        value = self.value()
        return (self.parse(value) or {"nothing": True}) if value else {}

    @abstractmethod
    def parse(self, value: str) -> dict[str, Any]:
        """What a value stands for; {} if it is invalid."""


def bounded(rows: "QuerySet[Any]") -> str:
    """How many of these rows there are, "1,000+" if more; an index must serve them."""
    count = len(rows.order_by().values_list("pk", flat=True)[: COUNTED + 1])
    return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"


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


class SeenFilter(ChoiceFilter):
    """By whether a person has marked it as seen."""

    title = "seen"
    parameter_name = "seen"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self._rows = model._default_manager.all()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Not yet"), ("yes", "Seen")]

    def parse(self, value: str) -> dict[str, Any]:
        return {"seen": value == "yes"} if value in {"yes", "no"} else {}

    def counts(self) -> dict[str, str]:
        return {"no": bounded(self._rows.unseen())}
