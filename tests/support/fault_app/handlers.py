"""Handlers whose effects tell what was handled, and how often."""

import threading
from datetime import UTC, datetime

from django.db.models import F

from notifications import on_payload
from notifications.models import RawPayload, ReportRow
from tests.support.fault_app import name_of

DAY = datetime(2030, 1, 1, tzinfo=UTC).date()
#: Seconds in which a fault may find the handler before its effects, or between them and their commit.
DWELL = 0.02


def _count(payload: RawPayload) -> None:
    name = name_of(payload.receipt, payload.body)
    ReportRow.objects.get_or_create(name=name, day=DAY)
    ReportRow.objects.filter(name=name, day=DAY).update(count=F("count") + 1)


@on_payload("quick")
def quick(payload: RawPayload) -> None:
    _count(payload)


@on_payload("slow", atomic=False)
def slow(payload: RawPayload) -> None:
    threading.Event().wait(DWELL)
    with payload.done():
        _count(payload)
        threading.Event().wait(DWELL)


@on_payload("flaky")
def flaky(payload: RawPayload) -> None:
    _count(payload)
    if payload.attempts == 1 and payload.digest < "4":
        raise ConnectionError("a third party that is down for a moment")
