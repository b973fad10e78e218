"""Losses: what `emit()` had to drop becomes a row that the admin shows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notifications.channels.base import Channel
from notifications.clean import clean
from notifications.events import Event
from notifications.models import Loss

LARGEST: Final = 2**63


class Losses(Channel):
    """Takes the LOST events that each process writes once its journal takes entries again."""

    transactional = True

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            data = event.data
            Loss.objects.get_or_create(
                key=clean(event.id or f"{event.time.isoformat()} {event.text}"),
                defaults={
                    "origin": clean(f"process {data.get('pid')}"),
                    "reason": clean(str(data.get("reason", event.text))),
                    "count": _count(data.get("count")),
                    "since": _moment(data.get("since")),
                    "until": _moment(data.get("until")) or event.time,
                },
            )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < LARGEST else None


def _moment(value: object) -> datetime | None:
    try:
        moment = parse_datetime(str(value))
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None
