"""Releases the claims of workers that died, hang, or lost their database."""

import uuid

from notifications.conf import conf
from notifications.events.series_counts import counted
from notifications.models import RawPayload
from notifications.models.attempts import Outcome
from notifications.process_raw.living_workers import name_of
from notifications.process_raw.report_failure import report_failure
from notifications.utils.failure_fingerprint import WORKER_DIED, Failure


def release_claims(token: uuid.UUID | None, failure: Failure = WORKER_DIED) -> int:
    """Release the payloads of this token, and report the failure. Returns how many. Raises database errors."""
    worker, release = name_of(token)
    released = RawPayload.objects.release(
        token,
        max_attempts=lambda source: conf.source(source).max_attempts,
        failure=failure,
        lost={"worker": worker, "release": release},
        outcome=Outcome.LOST if failure is WORKER_DIED else Outcome.FAILED,
    )
    if released.first is not None and released.noted is not None:
        counted.add("failed", released.first.source)
        report_failure(released.first, failure, noted=released.noted, final=released.dead)
    return released.payloads
