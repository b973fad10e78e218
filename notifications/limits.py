"""Whether a source may take more. Counted once a second at most, and never further than the limit."""

import time
from typing import Final

from django.db import Error

from notifications.conf import Source
from notifications.errors import QuotaFull

INTERVAL: Final = 1.0
_checked: dict[str, tuple[float, bool]] = {}


def check_quota(source: Source) -> None:
    """Raise QuotaFull when `source.max_waiting` payloads of it wait."""
    if not source.max_waiting:
        return
    until, full = _checked.get(source.name, (0.0, False))
    if time.monotonic() >= until:
        full = _is_full(source)
        _checked[source.name] = (time.monotonic() + INTERVAL, full)
    if full:
        raise QuotaFull(f"{source.max_waiting} payloads of {source.name} wait already")


def _is_full(source: Source) -> bool:
    from notifications.models import RawPayload

    waiting = RawPayload.objects.filter(source=source.name, next_attempt_at__isnull=False)
    try:
        return bool(waiting.order_by()[source.max_waiting - 1 : source.max_waiting].exists())
    except Error:  # the spool has a quota of its own
        return False
