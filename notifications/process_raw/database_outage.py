"""What the workers of this process meet while the database is away: it is recorded nowhere until that is over."""

import os
import threading
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from notifications.log import attempt_of
from notifications.models import RawPayload
from notifications.utils.times import utc_now


class Failing(NamedTuple):
    """A worker whose turns fail. `payload`: the attempt that was in hand at the first failure, or ""."""

    since: datetime
    error: str
    payload: str


class DatabaseOutage:
    """One for all threads of `process_raw`."""

    def __init__(self) -> None:
        self._failing: dict[int, Failing] = {}

    def failed(self, error: Exception, payload: RawPayload | None) -> None:
        """This thread could not use the database. `payload` is in hand: the result of its attempt is not recorded."""
        before = self._failing.get(threading.get_ident(), Failing(utc_now(), "", ""))
        in_hand = attempt_of(payload) if payload else ""
        self._failing[threading.get_ident()] = Failing(before.since, type(error).__name__, before.payload or in_hand)

    def over(self) -> None:
        """This thread could use the database."""
        self._failing.pop(threading.get_ident(), None)

    def problem(self) -> str:
        """What is wrong, or "". Without the error's message: that may quote a body."""
        failing = sorted(self._failing.copy().values())
        if not failing:
            return ""
        first, in_hand = failing[0], ", ".join(each.payload for each in failing if each.payload)
        since = timezone.localtime(first.since).strftime("%H:%M:%S")
        lost = f". In hand, with nothing recorded: {in_hand}" if in_hand else ""
        return f"process_raw on {os.uname().nodename} cannot use the database since {since} ({first.error}){lost}"
