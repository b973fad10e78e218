"""Filters and search over payloads. Each one is served by an index: the table may have millions of rows."""

import uuid
from contextlib import suppress
from typing import Any, Final

from django.contrib import admin
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from notifications.conf import conf
from notifications.models import RawPayload, State

#: The condition of the index raw_stuck to the letter: SQLite recognises it in no other form.
IS_STUCK: Final = RawSQL("state IN ('dead', 'quarantined')", [], output_field=BooleanField())
HAS_KEY: Final = ~Q(idempotency_key="")  # as in the index raw_key


class SourceFilter(admin.SimpleListFilter):
    """By source: those of the settings, as asking the table for them would read all of it."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(conf.sources)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> QuerySet[RawPayload]:
        return queryset.filter(source=self.value()) if self.value() else queryset


class StateFilter(admin.SimpleListFilter):
    """By state; the conditions that go without saying let the database use its partial indexes."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> QuerySet[RawPayload]:
        match self.value():
            case None:
                return queryset
            case State.DEAD | State.QUARANTINED as state:
                return queryset.filter(IS_STUCK, state=state)
            case State.DONE as state:
                return queryset.filter(state=state)
            case State.RECEIVED | State.PROCESSING | State.RETRYING as state:
                return queryset.filter(state=state, next_attempt_at__isnull=False)
            case _:
                return queryset.none()


def search(queryset: QuerySet[RawPayload], term: str) -> QuerySet[RawPayload]:
    """Payloads whose receipt or idempotency key is `term`, exactly."""
    found = Q(idempotency_key=term) & HAS_KEY
    with suppress(ValueError):
        found |= Q(receipt=uuid.UUID(term))
    return queryset.filter(found)
