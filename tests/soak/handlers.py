"""Handlers whose effects tell what was handled, and how often. One statement each: they shall cost the load little."""

import threading
from datetime import date

from django.db import connection

from notifications import on_payload
from notifications.models import RawPayload
from tests.soak.ledger import DAY
from tests.support.fault_app import name_of

#: Seconds in which a fault may find the handler before its effects.
DWELL = 0.005
COUNT = (
    "INSERT INTO notifications_reportrow (name, day, count) VALUES (%s, %s, 1)"
    " ON CONFLICT (day, name) DO UPDATE SET count = notifications_reportrow.count + 1"
)


def _count(payload: RawPayload) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [name_of(payload.receipt, payload.body), date.fromisoformat(DAY)])


@on_payload("quick")
def quick(payload: RawPayload) -> None:
    _count(payload)


@on_payload("small")
def small(payload: RawPayload) -> None:
    _count(payload)


@on_payload("slow", atomic=False)
def slow(payload: RawPayload) -> None:
    threading.Event().wait(DWELL)
    with payload.done():
        _count(payload)


@on_payload("flaky")
def flaky(payload: RawPayload) -> None:
    _count(payload)
    if payload.attempts == 1 and payload.digest < "4":
        raise ConnectionError("a third party that is down for a moment")
