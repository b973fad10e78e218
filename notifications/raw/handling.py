"""Handles one payload: runs its handler and records how that went."""

import logging
import re
import time
import traceback
from datetime import timedelta
from typing import Final

from django.utils import timezone

from notifications.backoff import backoff
from notifications.conf import conf
from notifications.handlers import GiveUp, PayloadHandler, payload_handlers
from notifications.models import RawPayload, State
from notifications.models.claims import LeaseLost
from notifications.signals import payload_failed

logger = logging.getLogger(__name__)

#: Characters of a traceback that are kept.
LONGEST_ERROR: Final = 64 * 1024
LONGEST_REASON: Final = 500
FRAME: Final = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)$', re.MULTILINE)


class NoHandler(Exception):
    """No handler is registered for the source."""


def handle(payload: RawPayload) -> bool:
    """Run the handler of a claimed payload; whether it is done.

    What the handler raises is recorded: tried again later with back-off, dead after `max_attempts` or GiveUp.
    Raises what the database raises when nothing could be recorded: the lease then runs out.
    """
    payload.attempts += 1
    payload.started = time.monotonic()
    try:
        _run(payload, payload_handlers.get(payload.source))
    except LeaseLost as error:
        logger.warning("%s", error)
        return False
    except GiveUp as error:
        record_failure(payload, str(error) or "The handler gave up.", final=True)
    except (Exception, SystemExit):  # noqa: BLE001  whatever a handler raises is its payload's failure alone
        record_failure(payload, traceback.format_exc())
    return payload.state == State.DONE


def _run(payload: RawPayload, handler: PayloadHandler | None) -> None:
    if handler is None:
        raise NoHandler(f'no handler for {payload.source!r}: write one with @on_payload("{payload.source}")')
    if handler.atomic:
        with payload.done():
            handler.function(payload)
        return
    handler.function(payload)
    if payload.state != State.DONE:  # it had no effects to commit
        with payload.done():
            pass


def record_failure(payload: RawPayload, error: str, *, final: bool = False) -> None:
    """Count an attempt as failed. A payload that is done stays so: its effects have been committed."""
    error = _shortened(error)
    if payload.state == State.DONE:
        logger.error("%s is done, but its handler raised after that:\n%s", payload, error)
        return
    final = final or payload.attempts >= conf.source(payload.source).max_attempts
    retry_at = None if final else timezone.now() + timedelta(seconds=backoff(payload.attempts))
    reason = error.strip().rpartition("\n")[2][:LONGEST_REASON]
    place = _place(error)
    if retry_at is None:
        logger.error("%s is dead after attempt %d: %s%s", payload, payload.attempts, reason, place)
    else:
        delay = (retry_at - timezone.now()).total_seconds()
        logger.warning("%s failed attempt %d, next in %.1f s: %s%s", payload, payload.attempts, delay, reason, place)
    try:
        RawPayload.objects.fail(payload, error, retry_at=retry_at)
    except LeaseLost as lost:
        logger.warning("%s; this attempt's error is lost with it:\n%s", lost, error)
        return
    payload_failed.send_robust(sender=RawPayload, payload=payload, error=reason, final=final)


def _place(traceback_text: str) -> str:
    """(file, line, function) of the innermost frame, if there is one."""
    frames = FRAME.findall(traceback_text)
    return f" ({frames[-1][0]}:{frames[-1][1]}, {frames[-1][2]})" if frames else ""


def _shortened(error: str) -> str:
    """Its start says where and what, its end is what a handler's message ends with."""
    if len(error) <= LONGEST_ERROR:
        return error
    return f"{error[: LONGEST_ERROR // 2]}\n[…]\n{error[-LONGEST_ERROR // 2 :]}"
