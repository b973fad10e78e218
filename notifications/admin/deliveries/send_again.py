"""Has failed deliveries sent again: the selected ones, or all that failed for a like reason."""

import logging

from django.db.models import Q, QuerySet

from notifications.admin.payloads.moves import BATCH, Moved
from notifications.database.transactions import atomic
from notifications.models import FailedDelivery, OperatorAction
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)


def send_again(chosen: "QuerySet[FailedDelivery]", by: str) -> Moved:
    """`by` is the user's name. Those that already wait are left alone: they may be on their way."""
    return _logged(_send(Q(pk__in=chosen.order_by().values("pk")), by), by)


def send_same_again(chosen: "QuerySet[FailedDelivery]", by: str) -> Moved:
    """All of the channel whose reason is like that of a chosen one, however many; a transaction for each reason."""
    alike = chosen.order_by().exclude(fingerprint="").values_list("channel", "fingerprint").distinct()
    equal = chosen.order_by().filter(fingerprint="").values_list("channel", "reason").distinct()  # of an older release
    which = [Q(channel=channel, fingerprint=fingerprint) for channel, fingerprint in alike]
    which += [Q(channel=channel, fingerprint="", reason=reason) for channel, reason in equal]
    sent = [_send(each, by) for each in which]
    return _logged(Moved(sum(each.moved for each in sent), sum(each.left for each in sent)), by)


def _send(which: Q, by: str) -> Moved:
    rows = FailedDelivery.objects.filter(which)
    left = rows.filter(again_at__isnull=False).count()
    with atomic():
        pks = OperatorAction.objects.record(rows.filter(again_at__isnull=True), "sent again", by)
        for start in range(0, len(pks), BATCH):
            FailedDelivery.objects.filter(pk__in=pks[start : start + BATCH]).update(again_at=utc_now())
    return Moved(len(pks), left)


def _logged(sent: Moved, by: str) -> Moved:
    logger.info("%s had %d failed deliveries sent again", by, sent.moved)
    return sent
