"""The worker that sends failed deliveries again for which somebody has asked (FailedDelivery.again_at).

A crash between the delivery and the deletion of its rows repeats that one message.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from django.db import Error, connections, transaction
from django.utils import timezone

from notifications.channels import Channel, Unavailable, Undeliverable, make_channel
from notifications.clean import clean
from notifications.deadline import deadline
from notifications.follow import failed, positions
from notifications.follow.delivery import Delivery
from notifications.follow.failed import Claim
from notifications.follow.outage import Outage
from notifications.follow.pace import Pace
from notifications.models import FailedDelivery

logger = logging.getLogger(__name__)

#: Seconds that one message and its rows may take.
LONGEST_WORK: Final = 15.0
#: Seconds between two looks while nothing is due.
INTERVAL: Final = 2.0


class Resender:
    """A `worker.Worker`. One message in each turn; the channels take turns, so that none waits for another's rows.

    `pace_of` gives the pace that a channel's followers keep. `drain`: done when nothing is due.
    """

    def __init__(self, names: Sequence[str], pace_of: Callable[[str], Pace], *, drain: bool = False) -> None:
        self._drain = drain
        self._names = list(names)
        channels = [make_channel(name) for name in names]
        self._lanes = [(channel, Delivery(channel, pace_of(channel.name))) for channel in channels]
        self._database = Outage("failed deliveries")
        self._delivered: list[int] = []  # rows to delete, once the database is back
        self._look_at = 0.0

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        try:
            with deadline(LONGEST_WORK):
                self._delete_delivered()
        except Error as error:
            logger.warning(
                "%d failed deliveries that were sent again will be once more: %s", len(self._delivered), error
            )
        for channel, _ in self._lanes:
            channel.close()
        connections.close_all()

    def poll(self) -> float | None:
        """One message, of one channel."""
        pause = max(self._look_at - time.monotonic(), self._database.resting())
        if pause > 0:
            return pause
        try:
            with deadline(LONGEST_WORK):
                delay = self._turn()
        except Error as error:
            connections.close_all()
            return self._database.failed(f"the database is away: {error}")
        self._database.over()
        self._look_at = time.monotonic() + (delay or 0.0)
        return delay

    def _turn(self) -> float | None:
        self._delete_delivered()
        pauses = []
        for lane in list(self._lanes) if failed.any_due(self._names) else ():
            channel, delivery = lane
            if pause := delivery.wait():
                pauses.append(pause)
            elif claim := failed.claim(channel.name, digests=channel.digests):
                self._lanes.remove(lane)  # to the end
                self._lanes.append(lane)
                self._send(channel, delivery, claim)
                return 0.0
        return min(pauses) if pauses else None if self._drain else INTERVAL

    def _send(self, channel: Channel, delivery: Delivery, claim: Claim) -> None:
        try:
            self._deliver(channel, delivery, claim)
        except Undeliverable as error:
            reason = clean(str(error))
            claim.rows.update(reason=reason, again_at=None, created_at=timezone.now())
            last_line = reason.strip().rpartition("\n")[2]
            logger.error("channel %s gave up %d events again: %s", channel.name, len(claim.pks), last_line)
        except Unavailable as error:
            again_at = timezone.now() + timedelta(seconds=delivery.failed(error))
            # Not later than the pause ends, or others would overtake these rows.
            claim.rows.update(again_at=again_at.replace(microsecond=0))
            return
        else:
            logger.info("channel %s: %d failed deliveries were sent again", channel.name, len(claim.pks))
        delivery.succeeded()

    def _deliver(self, channel: Channel, delivery: Delivery, claim: Claim) -> None:
        if channel.transactional:
            with delivery.attempt(claim), transaction.atomic():
                if claim.rows.delete()[0]:  # else somebody did it after the claim had run out
                    channel.deliver(claim.events)
            return
        with delivery.attempt(claim):
            channel.deliver(claim.events)
        self._delivered += claim.pks
        self._delete_delivered()
        positions.delivered(channel.name)
        delivery.tell(claim)

    def _delete_delivered(self) -> None:
        if self._delivered:
            FailedDelivery.objects.filter(pk__in=self._delivered).delete()
            self._delivered.clear()
