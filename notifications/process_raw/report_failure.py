"""Reports a failed attempt: events for what its group has to report, and the signal `payload_failed`."""

import logging

from notifications.database.transactions import close_open
from notifications.events import failure_alerts
from notifications.models import RawPayload
from notifications.models.failures import Noted
from notifications.signals import payload_failed
from notifications.utils.failure_fingerprint import Failure
from notifications.utils.forks import ParentOnly

logger = logging.getLogger(__name__)


def report_failure(payload: RawPayload, failure: Failure, *, noted: Noted, final: bool) -> None:
    """Report a committed failure. `noted`: what its group has to report; `final`: the payload is dead."""
    _alert(payload.source, failure, noted)
    with ParentOnly("A receiver of payload_failed"):
        payload_failed.send_robust(sender=RawPayload, payload=payload, error=failure.reason, final=final)
    if problem := close_open("A receiver of payload_failed"):
        logger.error("%s", problem)


def _alert(source: str, failure: Failure, noted: Noted) -> None:
    """One event for all that is new of the group."""
    what, is_dead = failure.kind + (f" ({failure.place})" if failure.place else ""), noted.first_dead
    if noted.again:
        at, by = noted.resolved_at, noted.resolved_by
        failure_alerts.failure_again(source, what, noted.pk, resolved_at=at, resolved_by=by, is_dead=is_dead)
    elif noted.new:
        failure_alerts.new_failure(source, what, noted.pk, is_dead=is_dead)
    elif is_dead:
        failure_alerts.first_dead(source, what, noted.pk)
