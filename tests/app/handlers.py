"""Handlers that do what handlers should not, steered by files in the state directory.

Files `hold-before` and `hold-inside` keep the slow ones in mid-work (`at-before` and `at-inside` say that one is
there); a file `well` lets those that fail succeed.
"""

import logging
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from notifications import RetryAt, on_payload
from notifications.conf import conf
from notifications.models import RawPayload, ReportRow

logger = logging.getLogger(__name__)
DAY = datetime(2030, 1, 1, tzinfo=UTC).date()


def _exists(name: str) -> bool:
    return (conf.state_dir / name).exists()


def _count(payload: RawPayload) -> None:
    """An effect that shows when it happens twice."""
    name = payload.body.decode()
    ReportRow.objects.get_or_create(name=name, day=DAY)
    ReportRow.objects.filter(name=name, day=DAY).update(count=F("count") + 1)


@on_payload("count")
def count(payload: RawPayload) -> None:
    _count(payload)


@on_payload("rare")
def rare(payload: RawPayload) -> None:
    _count(payload)


@on_payload("slow", atomic=False)
def slow(payload: RawPayload) -> None:
    """Waits before its effects and in the middle of them."""
    _hold("before")
    with payload.done():
        _count(payload)
        _hold("inside")


@on_payload("raises")
def raises(payload: RawPayload) -> None:
    _count(payload)
    if not _exists("well"):
        logger.warning("about to fail")
        raise ArithmeticError("the third party changed its format")


@on_payload("hangs", atomic=False)
def hangs(payload: RawPayload) -> None:
    if not _exists("well"):
        threading.Event().wait()
    with payload.done():
        _count(payload)


@on_payload("hangs-atomic")
def hangs_atomic(payload: RawPayload) -> None:
    _count(payload)
    if not _exists("well"):
        threading.Event().wait()


@on_payload("kills")
def kills(payload: RawPayload) -> None:
    _count(payload)
    if not _exists("well"):
        os.kill(os.getpid(), signal.SIGKILL)


@on_payload("asks-later")
def asks_later(payload: RawPayload) -> None:
    """What it has written when it asks is taken back."""
    _count(payload)
    if not _exists("well"):
        raise RetryAt(timedelta(seconds=1), "the third party says so")


@on_payload("leaves", atomic=False)
def leaves(payload: RawPayload) -> None:
    """A transaction that nobody ends."""
    if payload.body == b"autocommit off":
        transaction.set_autocommit(False)
    elif payload.body == b"block":
        transaction.atomic().__enter__()
    else:
        connection.ensure_connection()
        connection.connection.execute("BEGIN")
    timezone.activate("Asia/Kolkata")
    ReportRow.objects.create(name="left", day=DAY, count=1)


@on_payload("forks", atomic=False)
def forks(payload: RawPayload) -> None:
    """Its child does what it does itself, or raises; it must not get any further, nor be waited for in vain."""
    where = payload.body.decode()
    if where in {"before", "raises"}:
        _fork(where)
    with payload.done():
        _count(payload)
        if where == "inside":
            _fork(where)
        if where == "on commit":
            transaction.on_commit(lambda: _fork(where))


@on_payload("forks-atomic")
def forks_atomic(payload: RawPayload) -> None:
    _count(payload)
    _fork(payload.body.decode())


def _fork(where: str) -> None:
    if child := os.fork():
        logger.warning("%s: the child's status is %d", where, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    elif "raises" in where:
        raise ArithmeticError("in the child")


@on_payload("posted")
@on_payload("small")
def ignore(payload: RawPayload) -> None: ...


def _hold(where: str) -> None:
    Path(conf.state_dir / f"at-{where}").touch()
    while _exists(f"hold-{where}"):
        time.sleep(0.01)
