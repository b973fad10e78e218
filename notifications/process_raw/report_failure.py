"""Reports a failed attempt: an event if it fails in a new way, and the signal `payload_failed`."""

import logging

from notifications.conf import conf
from notifications.database.transactions import close_open
from notifications.events.emit import emit
from notifications.models import RawPayload
from notifications.signals import payload_failed
from notifications.utils.failure_fingerprint import Failure
from notifications.utils.forks import parent_only

logger = logging.getLogger(__name__)


def report_failure(payload: RawPayload, failure: Failure, *, new: bool, final: bool) -> None:
    """Report a committed failure. `new`: it made a new failure group; `final`: the payload is dead."""
    if new:
        _emit_new_failure(payload.source, failure)
    with parent_only("A receiver of payload_failed"):
        payload_failed.send_robust(sender=RawPayload, payload=payload, error=failure.reason, final=final)
    if problem := close_open("A receiver of payload_failed"):
        logger.error("%s", problem)


def _emit_new_failure(source: str, failure: Failure) -> None:
    """Without the error's message: that may quote a body, and the journal is for operators."""
    where = f" ({failure.place})" if failure.place else ""
    text = f"{source} fails in a new way: {failure.kind}{where}"
    emit(conf.alert_channel, text, kind="new failure", source=source, alert=True)
