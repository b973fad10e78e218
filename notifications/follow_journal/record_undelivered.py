"""Records what is not delivered: events that a channel refused for good, and gaps in the journal."""

import socket
from collections.abc import Sequence

from notifications.follow_journal.consumer import Item
from notifications.journal import Gap
from notifications.models import FailedDelivery, Loss
from notifications.positions.key import Key
from notifications.utils.clean_text import clean, clean_values
from notifications.utils.reason_fingerprint import reason_fingerprint
from notifications.utils.times import moment_of, utc_now


def record_failed(channel: str, items: Sequence[Item], reason: str) -> None:
    """Record failed deliveries of a channel, with the reason. Raises database errors."""
    FailedDelivery.objects.bulk_create(
        FailedDelivery(
            channel=channel,
            event_id=clean(item.id),
            event_time=item.time,
            text=clean(item.text),
            data=clean_values(item.data),
            author_known=item.author_known,
            reason=clean(reason),
            fingerprint=reason_fingerprint(reason),
        )
        for item in items
    )


def record_gap(key: Key, gap: Gap) -> None:
    """Record entries removed or damaged unread: when, and at most how many, if known. Raises database errors."""
    Loss.objects.get_or_create(
        key=_gap_key(key, gap.position),
        defaults={
            "origin": f"{socket.gethostname()}: {key.journal}",
            "channel": key.channel,
            "reason": clean(gap.reason),
            "count": gap.count,
            "since": None if gap.since_us is None else moment_of(gap.since_us),
            "until": utc_now() if gap.until_us is None else moment_of(gap.until_us),
        },
    )


def count_gap(key: Key, position: str, count: int) -> None:
    """Save the number of events lost in a recorded gap, as the numbers after it show. Raises database errors."""
    Loss.objects.filter(key=_gap_key(key, position)).update(count=count)


def _gap_key(key: Key, position: str) -> str:
    return f"gap {'/'.join(key)} {position}"
