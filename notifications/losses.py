"""What could not be told, on record: events that a channel refused for good, entries that were gone."""

import socket
from collections.abc import Sequence

from django.utils import timezone

from notifications.clean import clean, clean_values
from notifications.events import Event
from notifications.follow.positions import Key
from notifications.journal import Gap
from notifications.models import FailedDelivery, Loss
from notifications.times import moment_of


def record_failed(channel: str, events: Sequence[Event], reason: str) -> None:
    """Keep events that `channel` will never take. Raises what the database raises."""
    FailedDelivery.objects.bulk_create(
        FailedDelivery(
            channel=channel,
            event_id=clean(event.id),
            event_time=event.time,
            text=clean(event.text),
            data=clean_values(event.data),
            author_known=event.author_known,
            reason=clean(reason),
        )
        for event in events
    )


def record_gap(key: Key, gap: Gap) -> None:
    """Record that entries after a position were removed unread: at most how many, and when, where that is known."""
    Loss.objects.get_or_create(
        key=f"gap {'/'.join(key)} {gap.position}",
        defaults={
            "origin": f"{socket.gethostname()}: {key.journal}",
            "channel": key.channel,
            "reason": clean(gap.reason),
            "count": gap.count,
            "since": None if gap.since_us is None else moment_of(gap.since_us),
            "until": timezone.now() if gap.until_us is None else moment_of(gap.until_us),
        },
    )
