"""Whether a source may take more. Counted once a second at most, and never further than the limit."""

import logging
import time
from typing import Final

from django.db import Error
from django.db.models import TextField, Value
from django.db.models.functions import Concat

from notifications.conf import Source
from notifications.errors import QuotaFull
from notifications.raw.breaker import breaker

logger = logging.getLogger(__name__)

INTERVAL: Final = 1.0
WAITING: Final = ("received", "retrying", "processing")
_checked: dict[str, tuple[float, bool]] = {}


def check_quota(source: Source) -> None:
    """Raise QuotaFull when `source.max_waiting` payloads of it wait."""
    if not source.max_waiting:
        return
    until, full = _checked.get(source.name, (0.0, False))
    if breaker.is_open():  # the spool has a quota of its own
        return
    if time.monotonic() >= until:
        full = _is_full(source)
        _checked[source.name] = (time.monotonic() + INTERVAL, full)
    if full:
        raise QuotaFull(f"{source.max_waiting} payloads of {source.name} wait already")


def is_quarantine_full(source: Source) -> bool:
    """Whether `source.max_quarantined` payloads are in quarantine: anybody can send bad signatures."""
    from notifications.models import RawPayload, State

    stuck = RawPayload.objects.filter(state=State.QUARANTINED, source=source.name).order_by()
    try:
        return len(stuck.values_list("pk")[: source.max_quarantined]) >= source.max_quarantined
    except Error:
        return True  # nothing that is unsigned for the spool


def _is_full(source: Source) -> bool:
    from notifications.models import RawPayload

    # As an expression, or SQLite takes the index on sources and walks through all that is done.
    named = RawPayload.objects.annotate(name=Concat("source", Value("", TextField())))
    waiting = named.filter(name=source.name, state__in=WAITING, next_attempt_at__isnull=False)
    try:
        return bool(waiting.order_by()[source.max_waiting - 1 : source.max_waiting].exists())
    except Error as error:
        breaker.open()
        logger.warning("The database counts no payloads (%s)", type(error).__name__)
        return False
