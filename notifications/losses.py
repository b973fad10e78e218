"""What could not be told, on record: events that a channel refused for good, entries that were gone."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from notifications.clean import clean
from notifications.events import Event
from notifications.journal import Gap
from notifications.models import FailedDelivery, Loss
from notifications.positions import Key


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


def _clean_values(value: Any) -> Any:
    """JSON data without the characters that PostgreSQL's jsonb refuses."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(name)): _clean_values(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean_values(item) for item in value]
    return value
