"""What could not be told, on record: events that a channel refused for good, entries that were gone."""

import math
from collections.abc import Sequence
from typing import Any, Final

from django.utils import timezone

from notifications.clean import clean
from notifications.events import Event
from notifications.journal import Gap
from notifications.models import FailedDelivery, Loss
from notifications.positions import Key

DEEPEST: Final = 100


def record_failed(channel: str, events: Sequence[Event], reason: str) -> None:
    """Keep events that `channel` will never take. Raises what the database raises."""
    FailedDelivery.objects.bulk_create(
        FailedDelivery(
            channel=channel,
            event_id=clean(event.id),
            event_time=event.time,
            text=clean(event.text),
            data=_clean_values(event.data),
            reason=clean(reason),
        )
        for event in events
    )


def record_gap(key: Key, gap: Gap) -> None:
    """Record that entries after a position were removed unread; nobody knows how many."""
    Loss.objects.get_or_create(
        key=f"gap {'/'.join(key)} {gap.position}",
        defaults={
            "origin": f"{key.channel} in {key.journal}",
            "reason": clean(gap.reason),
            "until": timezone.now(),
        },
    )


def _clean_values(value: Any, depth: int = 0) -> Any:
    """JSON data without what databases refuse: NULs, lone surrogates, NaN, infinity, thousands of levels."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (dict, list)) and depth == DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {clean(str(name)): _clean_values(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean_values(item, depth + 1) for item in value]
    return value
