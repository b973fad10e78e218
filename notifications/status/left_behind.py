"""What a machine leaves undone when its last worker ends in order: nobody else can see to it."""

from collections.abc import Collection, Iterator

from django.db import Error

from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.models import Position
from notifications.operations.machines import LONGEST, are_several_possible, take_leave
from notifications.positions.key import machine_id
from notifications.status.lag import lags
from notifications.store.spool import spool
from notifications.workers.heartbeat import beats


def say_goodbye(channels: Collection[str]) -> None:
    """A worker has ended in order. If it was the last one here, the other machines hear of it. Raises OSError.

    `channels`: the names of all there are.
    """
    if are_several_possible() and not any(beat.alive for beat in beats()):
        take_leave(" and ".join([*_payloads(), *_events(channels)]))


def _payloads() -> Iterator[str]:
    found = spool().look()
    if count := found.files + found.set_aside:
        yield f"{count} payload{'s' * (count > 1)} in its spool"


def _events(channels: Collection[str]) -> Iterator[str]:
    """None while the database is away: then nobody hears of it either."""
    try:
        with deadline(LONGEST):
            ours = list(Position.objects.filter(machine=machine_id(), channel__in=channels))
    except Error:
        bounded_wait.connection().close()
        return
    if count := sum(lag.events for lag in lags(ours).values() if lag):
        yield f"{count} event{'s' * (count > 1)} in its journal"
