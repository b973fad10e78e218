"""The worker that sends failed deliveries again, if an operator asked for it (FailedDelivery.again_at).

After a crash between a delivery and the deletion of its rows, that message is sent again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from django.db import Error, connections

from notifications.channels import Channel, Unavailable, Undeliverable, make_channel
from notifications.database.deadline import deadline
from notifications.database.transaction_conflicts import trouble
from notifications.database.transactions import atomic
from notifications.events.event import RESERVED, Event
from notifications.events.series_counts import counted
from notifications.follow_journal import failed_claims
from notifications.follow_journal.delivery import Delivery
from notifications.follow_journal.failed_claims import Claim
from notifications.follow_journal.pace import Pace
from notifications.models import FailedDelivery
from notifications.positions import saved_position
from notifications.utils.clean_text import clean
from notifications.utils.reason_fingerprint import reason_fingerprint
from notifications.utils.times import utc_now
from notifications.workers.outage import Outage

logger = logging.getLogger(__name__)

#: Seconds of the database for one message and its rows.
LONGEST_WORK: Final = 15.0
#: Seconds until the next look if nothing is due.
INTERVAL: Final = 2.0


class Resender:
    """A `loop.Worker`. It sends one message in each turn. The channels take turns, so that none waits for another.

    `pace_of` returns the pace that a channel's followers share. With `drain` it ends when nothing is due.
    """

    def __init__(self, names: Sequence[str], pace_of: Callable[[str], Pace], *, drain: bool = False) -> None:
        self._drain = drain
        self._names = list(names)
        channels = [make_channel(name) for name in names]
        self._deliveries = [(channel, Delivery(channel, pace_of(channel.name))) for channel in channels]
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
            logger.warning("%d events that were sent again will be sent once more: %s", len(self._delivered), error)
        for channel, _ in self._deliveries:
            channel.close()
        connections.close_all()

    def poll(self) -> float | None:
        """Send one message of one channel."""
        pause = max(self._look_at - time.monotonic(), self._database.seconds_left())
        if pause > 0:
            return pause
        try:
            with deadline(LONGEST_WORK):
                delay = self._turn()
        except Error as error:
            connections.close_all()
            return self._database.failed(trouble(error))
        self._database.over()
        self._look_at = time.monotonic() + (delay or 0.0)
        return delay

    def _turn(self) -> float | None:
        self._delete_delivered()
        pauses = []
        for each in list(self._deliveries) if failed_claims.any_due(self._names) else ():
            channel, delivery = each
            if pause := delivery.wait():
                pauses.append(pause)
            elif claim := failed_claims.claim(channel.name, digests=channel.digests):
                self._deliveries.remove(each)  # to the end
                self._deliveries.append(each)
                self._send(channel, delivery, claim)
                return 0.0
        return min(pauses) if pauses else None if self._drain else INTERVAL

    def _send(self, channel: Channel, delivery: Delivery[Event], claim: Claim) -> None:
        try:
            self._deliver(channel, delivery, claim)
        except Undeliverable as error:
            reason = clean(str(error))
            why = {"reason": reason, "fingerprint": reason_fingerprint(reason)}
            claim.rows.update(**why, again_at=None, created_at=utc_now())
            last_line = reason.strip().rpartition("\n")[2]
            logger.error("channel %s gave up %d events again: %s", channel.name, len(claim.pks), last_line)
        except Unavailable as error:
            again_at = utc_now() + timedelta(seconds=delivery.failed(error))
            # Rounded down: due when the pause ends, or newer rows would overtake these.
            claim.rows.update(again_at=again_at.replace(microsecond=0))
            return
        else:
            logger.info("channel %s: %d failed deliveries were sent again", channel.name, len(claim.pks))
            if channel.name not in RESERVED:
                counted.add("delivered", channel.name, count=len(claim.pks))
        delivery.succeeded()

    def _deliver(self, channel: Channel, delivery: Delivery[Event], claim: Claim) -> None:
        if channel.transactional:
            with delivery.attempt(claim), atomic():
                if claim.rows.delete()[0]:  # else another process delivered it after the claim had ended
                    delivery.deliver(claim.items)
            return
        with delivery.attempt(claim):
            delivery.deliver(claim.items)
        self._delivered += claim.pks
        self._delete_delivered()
        saved_position.mark_delivered(channel.name)
        delivery.send_signals(claim)

    def _delete_delivered(self) -> None:
        if self._delivered:
            FailedDelivery.objects.filter(pk__in=self._delivered).delete()
            self._delivered.clear()
