"""Losses: what `emit()` had to drop becomes a row that the admin shows."""

from collections.abc import Sequence
from typing import Any

from django.utils.dateparse import parse_datetime

from notifications.channels.base import Channel
from notifications.clean import clean
from notifications.events import Event
from notifications.models import Loss


class Losses(Channel):
    """Takes the LOST events that each process writes once its journal takes entries again."""

    transactional = True

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            data: dict[str, Any] = event.data
            Loss.objects.get_or_create(
                key=event.id,
                defaults={
                    "origin": f"process {data.get('pid')}",
                    "reason": clean(str(data.get("reason", event.text))),
                    "count": data.get("count"),
                    "since": parse_datetime(str(data.get("since"))),
                    "until": parse_datetime(str(data.get("until"))) or event.time,
                },
            )
