"""Handles one payload: runs its handler and records how that went."""

import logging
import time
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final

from django.utils import timezone

from notifications.backoff import backoff
from notifications.clean import one_line, quoted_lines
from notifications.conf import conf
from notifications.handlers import GiveUp, PayloadHandler, RetryAt, payload_handlers
from notifications.models import RawPayload, State
from notifications.models.claims import LeaseLost
from notifications.raw.failures import Failure, message_of, tell_new_failure
from notifications.raw.log import attempt_of, handling
from notifications.signals import payload_failed

logger = logging.getLogger(__name__)

#: A handler that asks for a time that has passed does not keep its worker busy with nothing else.
SHORTEST_PAUSE: Final = timedelta(seconds=1)


class NoHandler(Exception):
    """No handler is registered for the source."""


def handle(payload: RawPayload) -> bool:
    """Run the handler of a claimed payload; whether it is done.

    What the handler raises is recorded: tried again later with back-off, or when it says so; dead after
    `max_attempts`, or where trying again is of no use. Raises what the database raises when nothing could be
    recorded: the lease then runs out.
    """
    handler = None
    with _attempt(payload):
        try:
            handler = _prepare(payload)
            _run(payload, handler)
        except LeaseLost as error:
            logger.warning("%s", error)
        except RetryAt as later:
            _postpone(payload, later)
        except GiveUp as error:
            record_failure(payload, Failure.of(error, text=message_of(error) or "The handler gave up."), final=True)
        except KeyboardInterrupt:  # of somebody who runs a test
            raise
        except BaseException as error:  # noqa: BLE001  whatever a handler raises is its payload's failure alone
            record_failure(payload, Failure.of(error), final=handler is not None and handler.is_final(error))
    return payload.state == State.DONE


def handle_or_raise(payload: RawPayload) -> None:
    """Run the handler of a claimed payload and record nothing but that it is done. Raises what the handler raises."""
    with _attempt(payload):
        _run(payload, _prepare(payload))


def _attempt(payload: RawPayload) -> AbstractContextManager[None]:
    payload.attempts += 1
    payload.started = time.monotonic()
    return handling(payload)


def _prepare(payload: RawPayload) -> PayloadHandler:
    handler = payload_handlers.get(payload.source)
    if handler is None:
        raise NoHandler(f'no handler for {payload.source!r}: write one with @on_payload("{payload.source}")')
    _ = payload.body  # fetched and verified where it is in the storage: before there is a transaction
    return handler


def _run(payload: RawPayload, handler: PayloadHandler) -> None:
    if handler.atomic:
        with payload.done():
            handler.function(payload)
        return
    handler.function(payload)
    if payload.state != State.DONE:  # it had no effects to commit
        with payload.done():
            pass


def _postpone(payload: RawPayload, later: RetryAt) -> None:
    reason = message_of(later)
    if payload.state == State.DONE:
        logger.error("%s is done, but its handler wanted to be called again: %s", attempt_of(payload), one_line(reason))
        return
    until = max(later.time, timezone.now() + SHORTEST_PAUSE)
    when = until.isoformat(timespec="seconds")
    logger.info("%s is put off to %s: %s", attempt_of(payload), when, one_line(reason))
    payload.attempts -= 1
    try:
        RawPayload.objects.postpone(payload, until, reason)
    except LeaseLost as lost:
        if not confirm(payload):
            logger.warning("%s", lost)


def confirm(payload: RawPayload) -> bool:
    """Whether it is done though the answer to its commit was lost. What waits for that commit is called then, once.

    Raises what the database raises.
    """
    if payload.unanswered is None or not RawPayload.objects.is_done(payload):
        return False
    waiting, payload.unanswered, payload.state = payload.unanswered, None, State.DONE
    while waiting:
        _, function, _ = waiting.pop(0)  # as Django does: whoever else looks finds what is left
        try:
            function()
        except Exception:  # the others wait, too
            logger.exception("%s is done, but %r, which waited for its commit, failed", attempt_of(payload), function)
    return True


def record_failure(payload: RawPayload, failure: Failure, *, final: bool = False) -> None:
    """Count an attempt as failed. A payload that is done stays so: its effects have been committed."""
    if confirm(payload) or payload.state == State.DONE:
        # The database, where only the answer to the commit was lost; what waited for the commit; or the handler.
        logger.error("%s is done, but this was raised after that:\n%s", attempt_of(payload), quoted_lines(failure.text))
        return
    final = final or payload.attempts >= conf.source(payload.source).max_attempts
    delay = None if final else backoff(payload.attempts)
    retry_at = None if delay is None else timezone.now() + timedelta(seconds=delay)
    if delay is None:
        logger.error("%s failed, it is dead: %s", attempt_of(payload), failure)
    else:
        logger.warning("%s failed, next in %.1f s: %s", attempt_of(payload), delay, failure)
    try:
        group = RawPayload.objects.fail(payload, failure, retry_at=retry_at)
    except LeaseLost as lost:
        logger.warning("%s; this attempt's error is lost with it:\n%s", lost, quoted_lines(failure.text))
        return
    if group.new:
        tell_new_failure(payload.source, failure)
    payload_failed.send_robust(sender=RawPayload, payload=payload, error=failure.reason, final=final)
