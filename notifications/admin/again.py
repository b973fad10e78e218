"""Has failed deliveries sent again: those that somebody chose, or all that failed for the same reason."""

import logging

from django.db.models import Q, QuerySet
from django.utils import timezone

from notifications.admin.moves import Moved
from notifications.models import FailedDelivery

logger = logging.getLogger(__name__)


def send_again(chosen: "QuerySet[FailedDelivery]", by: str) -> Moved:
    """`by` is the user's name. Those that wait for it already are left alone: somebody may be sending them now."""
    return _told(_send(Q(pk__in=chosen.order_by().values("pk"))), by)


def send_same_again(chosen: "QuerySet[FailedDelivery]", by: str) -> Moved:
    """Every one of the same channel and reason as one of the chosen, however many; one statement for each reason."""
    reasons = chosen.order_by().values_list("channel", "reason").distinct()
    sent = [_send(Q(channel=channel, reason=reason)) for channel, reason in reasons]
    return _told(Moved(sum(each.moved for each in sent), sum(each.left for each in sent)), by)


def _send(which: Q) -> Moved:
    rows = FailedDelivery.objects.filter(which)
    left = rows.filter(again_at__isnull=False).count()
    return Moved(rows.filter(again_at__isnull=True).update(again_at=timezone.now()), left)


def _told(sent: Moved, by: str) -> Moved:
    logger.info("%s had %d failed deliveries sent again", by, sent.moved)
    return sent
