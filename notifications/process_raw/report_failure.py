"""Reports a failed attempt: an event if it fails in a new way, and the signal `payload_failed`."""

import logging

from notifications.conf import conf
from notifications.database.transactions import close_open
from notifications.events.emit import emit
from notifications.models import RawPayload
from notifications.models.failures import Noted
from notifications.signals import payload_failed
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.failure_fingerprint import Failure
from notifications.utils.forks import parent_only
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)


def report_failure(payload: RawPayload, failure: Failure, *, noted: Noted, final: bool) -> None:
    """Report a committed failure. `noted`: what its group has to report; `final`: the payload is dead."""
    if noted.new or noted.again:
        _emit_failure(payload.source, failure, noted)
    with parent_only("A receiver of payload_failed"):
        payload_failed.send_robust(sender=RawPayload, payload=payload, error=failure.reason, final=final)
    if problem := close_open("A receiver of payload_failed"):
        logger.error("%s", problem)


def _emit_failure(source: str, failure: Failure, noted: Noted) -> None:
    """Without the error's message: that may quote a body, and the journal is for operators."""
    where = f" ({failure.place})" if failure.place else ""
    if noted.again:
        ago = duration((utc_now() - noted.resolved_at).total_seconds()) if noted.resolved_at else "some time"
        text = f"{source} fails again: {failure.kind}{where}; resolved {ago} ago by {one_line(noted.resolved_by)}"
        emit(conf.alert_channel, text, kind="failure again", source=source, group=noted.pk, alert=True)
        return
    text = f"{source} fails in a new way: {failure.kind}{where}"
    emit(conf.alert_channel, text, kind="new failure", source=source, group=noted.pk, alert=True)
