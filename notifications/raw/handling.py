"""Handles one payload: runs its handler and records how that went."""

import logging
import time
from datetime import timedelta

from django.utils import timezone

from notifications.backoff import backoff
from notifications.conf import conf
from notifications.handlers import GiveUp, PayloadHandler, RetryAt, payload_handlers
from notifications.models import RawPayload, State
from notifications.models.claims import LeaseLost
from notifications.raw.failures import Failure, tell_new_failure
from notifications.raw.log import handling
from notifications.signals import payload_failed

logger = logging.getLogger(__name__)


class NoHandler(Exception):
    """No handler is registered for the source."""


def handle(payload: RawPayload) -> bool:
    """Run the handler of a claimed payload; whether it is done.

    What the handler raises is recorded: tried again later with back-off, or when it says so; dead after
    `max_attempts`, or where trying again is of no use. Raises what the database raises when nothing could be
    recorded: the lease then runs out.
    """
    payload.attempts += 1
    payload.started = time.monotonic()
    handler = payload_handlers.get(payload.source)
    with handling(payload):
        try:
            _run(payload, handler)
        except LeaseLost as error:
            logger.warning("%s", error)
        except RetryAt as later:
            _postpone(payload, later)
        except GiveUp as error:
            record_failure(payload, Failure.of(error, text=str(error) or "The handler gave up."), final=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a handler raises is its payload's failure alone
            record_failure(payload, Failure.of(error), final=handler is not None and handler.is_final(error))
    return payload.state == State.DONE


def _run(payload: RawPayload, handler: PayloadHandler | None) -> None:
    if handler is None:
        raise NoHandler(f'no handler for {payload.source!r}: write one with @on_payload("{payload.source}")')
    _ = payload.body  # fetched and verified where it is in the storage: before there is a transaction
    if handler.atomic:
        with payload.done():
            handler.function(payload)
        return
    handler.function(payload)
    if payload.state != State.DONE:  # it had no effects to commit
        with payload.done():
            pass


def _postpone(payload: RawPayload, later: RetryAt) -> None:
    if payload.state == State.DONE:
        logger.error("%s is done, but its handler wanted to be called again: %s", payload, later)
        return
    payload.attempts -= 1
    logger.info("%s is handled again at %s: %s", payload, later.time.isoformat(timespec="seconds"), later)
    try:
        RawPayload.objects.postpone(payload, later.time, str(later))
    except LeaseLost as lost:
        logger.warning("%s", lost)


def record_failure(payload: RawPayload, failure: Failure, *, final: bool = False) -> None:
    """Count an attempt as failed. A payload that is done stays so: its effects have been committed."""
    if payload.state == State.DONE:
        logger.error("%s is done, but its handler raised after that:\n%s", payload, failure.text)
        return
    final = final or payload.attempts >= conf.source(payload.source).max_attempts
    delay = None if final else backoff(payload.attempts)
    retry_at = None if delay is None else timezone.now() + timedelta(seconds=delay)
    where = f" ({failure.place})" if failure.place else ""
    if delay is None:
        logger.error("%s is dead after attempt %d: %s%s", payload, payload.attempts, failure.reason, where)
    else:
        logger.warning(
            "%s failed attempt %d, next in %.1f s: %s%s", payload, payload.attempts, delay, failure.reason, where
        )
    try:
        group = RawPayload.objects.fail(payload, failure, retry_at=retry_at)
    except LeaseLost as lost:
        logger.warning("%s; this attempt's error is lost with it:\n%s", lost, failure.text)
        return
    if group.new:
        tell_new_failure(payload.source, failure)
    payload_failed.send_robust(sender=RawPayload, payload=payload, error=failure.reason, final=final)
