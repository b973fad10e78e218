"""Handles one payload: runs its handler and records the result."""

import logging
import os
import time
from contextlib import AbstractContextManager
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from notifications.conf import conf
from notifications.database.transaction_conflicts import is_conflict
from notifications.database.transactions import LeftOpen, nothing_left_open
from notifications.events.series_counts import counted
from notifications.handlers import GiveUp, PayloadHandler, RetryAt, payload_handlers
from notifications.log import attempt_of, handling
from notifications.models import RawPayload, State
from notifications.models.claims import LeaseLost
from notifications.models.payload import handler_of
from notifications.process_raw.logged_lines import LoggedLines
from notifications.process_raw.report_failure import report_failure
from notifications.utils.clean_text import one_line, quoted_lines
from notifications.utils.failure_fingerprint import Failure, message_of
from notifications.utils.forks import ParentOnly
from notifications.utils.retry_delay import backoff
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)

#: A handler that asks for a time in the past must not keep its worker busy.
SHORTEST_PAUSE: Final = timedelta(seconds=1)


#: The handler's own mistake, which it would repeat: the payload is dead.
ROW_CHANGED: Final = (
    "The handler deleted or changed the row of its own payload, so this could not be marked done; what it wrote is"
    " rolled back. It must leave the row alone: keep_done_days of the source says how long the row stays."
)


class RowGone(LeaseLost):
    """The row was deleted, and the deletion committed, while its payload was handled."""


class NoHandler(Exception):
    """No handler is registered for the source."""


def handle(payload: RawPayload) -> bool:
    """Run the handler of a claimed payload, and record an error that it raises. Returns whether the payload is done.

    A failed payload is tried again with back-off, or at the time of its RetryAt. It is dead after `max_attempts`, or if
    another attempt is useless. Raises database errors if the failure cannot be recorded: then the lease ends.
    """
    _attempt(payload)
    is_done = payload.state == State.DONE
    if is_done:
        _count("handled", payload)
    return is_done


def _attempt(payload: RawPayload) -> None:
    handler = None
    with _start_attempt(payload), LoggedLines() as payload.logged:
        try:
            handler = _find_handler(payload)
            _run(payload, handler)
        except RowGone as error:
            logger.error("%s", error)
        except LeaseLost as error:
            logger.warning("%s", error)
        except RetryAt as later:
            _postpone(payload, later)
        except GiveUp as error:
            record_failure(payload, Failure.of(error, text=message_of(error) or "The handler gave up."), final=True)
        except LeftOpen as error:
            record_failure(payload, Failure.without_place(f"LeftOpen: {error}"))
        except KeyboardInterrupt:  # a developer stops a test
            raise
        except BaseException as error:  # noqa: BLE001  no error of a handler may stop the worker
            _record_error(payload, error, final=handler is not None and handler.is_final(error))


def handle_or_raise(payload: RawPayload) -> None:
    """Run the handler of a claimed payload. Records success only; raises what the handler raises."""
    with _start_attempt(payload), LoggedLines() as payload.logged:
        _run(payload, _find_handler(payload))


def _start_attempt(payload: RawPayload) -> AbstractContextManager[None]:
    payload.attempts += 1
    payload.held = payload.pk, payload.lease_token
    payload.started, payload.process = time.monotonic(), os.getpid()
    return handling(payload)


def _count(series: str, payload: RawPayload) -> None:
    milliseconds = (time.monotonic() - payload.started) * 1000
    counted.add(series, payload.source, milliseconds, ms=milliseconds)


def _find_handler(payload: RawPayload) -> PayloadHandler:
    handler = payload_handlers.get(payload.source)
    if handler is None:
        raise NoHandler(f'no handler for {payload.source!r}: write one with @on_payload("{payload.source}")')
    _ = payload.body  # fetch it from the storage and verify it before the transaction
    return handler


def _run(payload: RawPayload, handler: PayloadHandler) -> None:
    try:
        _run_and_finish(payload, handler)
    except LeaseLost as lost:
        if payload.state == State.DONE:  # done() came a second time
            raise
        ours = RawPayload.objects.is_ours(payload)
        if ours is None:
            raise RowGone(
                f"{payload} is gone: its row was deleted while it was handled; nothing is left to try"
            ) from lost
        if ours:
            raise GiveUp(ROW_CHANGED) from lost
        raise


def _run_and_finish(payload: RawPayload, handler: PayloadHandler) -> None:
    guarded = partial(nothing_left_open, handler_of(payload), lambda: _correct_state(payload))
    if handler.atomic:
        with guarded(), payload.done():
            _call(payload, handler)
        return
    with guarded():
        _call(payload, handler)
    if payload.state != State.DONE:  # the handler had no effects to commit
        with guarded(), payload.done():
            pass


def _call(payload: RawPayload, handler: PayloadHandler) -> None:
    # A copied context: a time zone or language that the handler activates ends with it.
    with ParentOnly(handler_of(payload), payload.process):
        copy_context().run(handler.function, payload)


def _correct_state(payload: RawPayload) -> None:
    """Ask the database after a rollback: `done()` may have been rolled back, or committed before."""
    if payload.state == State.DONE:
        payload.state = State.PROCESSING
        if RawPayload.objects.is_done(payload):
            payload.state = State.DONE


def _postpone(payload: RawPayload, later: RetryAt) -> None:
    reason = message_of(later)
    if payload.state == State.DONE:
        logger.error("%s is done, but its handler asked to be called again: %s", attempt_of(payload), one_line(reason))
        return
    until = max(later.time, utc_now() + SHORTEST_PAUSE)
    when = until.isoformat(timespec="seconds")
    logger.info("%s is postponed until %s: %s", attempt_of(payload), when, one_line(reason))
    payload.attempts -= 1
    _put_off(payload, until, reason)


def _record_error(payload: RawPayload, error: BaseException, *, final: bool) -> None:
    """Record what a handler raised. A conflict counts an attempt, but is a failure only if that was the last one."""
    is_last = payload.attempts >= conf.source(payload.source).max_attempts
    if not is_conflict(error) or is_last or payload.state == State.DONE or confirm_commit(payload):
        record_failure(payload, Failure.of(error), final=final)
        return
    delay, reason = backoff(payload.attempts), f"A conflict with another transaction: {message_of(error)}"
    logger.info("%s: next try in %.1f s. %s", attempt_of(payload), delay, one_line(reason))
    _put_off(payload, utc_now() + timedelta(seconds=delay), reason, conflict=True)


def _put_off(payload: RawPayload, until: datetime, reason: str, *, conflict: bool = False) -> None:
    try:
        RawPayload.objects.postpone(payload, until, reason, conflict=conflict)
    except LeaseLost as lost:
        if not confirm_commit(payload):
            logger.warning("%s", lost)


def confirm_commit(payload: RawPayload) -> bool:
    """Whether the payload is done although the answer to its COMMIT was lost. If so, its on_commit hooks run, once.

    Raises database errors.
    """
    if payload.unanswered is None or not RawPayload.objects.is_done(payload):
        return False
    waiting, payload.unanswered, payload.state = payload.unanswered, None, State.DONE
    while waiting:
        _, function, _ = waiting.pop(0)  # like Django: a nested look finds only the hooks that are left
        try:
            function()
        except Exception:  # the other hooks must run
            logger.exception("%s is done, but its on_commit hook %r failed", attempt_of(payload), function)
    return True


def record_failure(payload: RawPayload, failure: Failure, *, final: bool = False) -> None:
    """Record a failed attempt. A payload that is done stays done: its effects are committed. Raises database errors."""
    if confirm_commit(payload) or payload.state == State.DONE:
        # Raised by the handler after done(), by an on_commit hook, or for the lost answer to the COMMIT.
        logger.error("%s is done, but this was raised after that:\n%s", attempt_of(payload), quoted_lines(failure.text))
        return
    final = final or payload.attempts >= conf.source(payload.source).max_attempts
    delay = None if final else backoff(payload.attempts)
    retry_at = None if delay is None else utc_now() + timedelta(seconds=delay)
    if delay is None:
        logger.error("%s failed and is dead: %s", attempt_of(payload), failure)
    else:
        logger.warning("%s failed, next try in %.1f s: %s", attempt_of(payload), delay, failure)
    try:
        group = RawPayload.objects.fail(payload, failure, retry_at=retry_at)
    except LeaseLost as lost:
        logger.warning("%s; the error of this attempt is not recorded:\n%s", lost, quoted_lines(failure.text))
        return
    _count("failed", payload)
    report_failure(payload, failure, noted=group, final=final)
