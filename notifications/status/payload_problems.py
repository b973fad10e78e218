"""What is wrong with payloads, and with the clocks that date them."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from notifications.events.admin_links import admin_path
from notifications.models import RawPayload, State
from notifications.operations.problem import Grade, Problem
from notifications.status.database import DatabaseStatus
from notifications.status.now import Status
from notifications.status.since import since
from notifications.status.worker_problems import is_dead
from notifications.utils.times import utc_now

#: Seconds that a new payload may wait.
WAITS: Final = 300.0
#: Seconds by which a clock may differ from the database's.
DIFFERS: Final = 2.0


def payload_problems(now: Status) -> Iterator[Problem]:
    """None while the database is away."""
    if now.database is not None:
        yield from _waiting(now.database, is_dead=is_dead("process_raw", now.workers))
        yield from _dead(now.database)
        yield from _quarantined(now.database)
        yield from _clocks(now.database)


def _waiting(now: DatabaseStatus, *, is_dead: bool) -> Iterator[Problem]:
    if (now.oldest_waiting or 0.0) < WAITS:
        return
    yield Problem(
        name="payloads-waiting",
        grade=Grade.WARNING,
        text=f"The oldest new payload has waited {since(utc_now() - timedelta(seconds=now.oldest_waiting or 0.0))}",
        advice="Start process_raw, which handles them."
        if is_dead
        else "process_raw has too much to do, or hangs: start more of them, or give it more --threads.",
        path=admin_path(RawPayload, state=State.RECEIVED),
    )


def _dead(now: DatabaseStatus) -> Iterator[Problem]:
    """Not those of muted groups, of which somebody knows, nor of resolved ones, which somebody has dealt with."""
    if count := now.dead_open:
        yield Problem(
            name="payloads-dead",
            grade=Grade.WARNING,
            text=f"{counted(count, now.most)} payload{'s are' if count > 1 else ' is'} dead: nothing tries"
            f" {'them' if count > 1 else 'it'} again",
            advice="Mend what their failure groups show, then retry the group.",
            path=admin_path(RawPayload, state=State.DEAD),
        )


def _quarantined(now: DatabaseStatus) -> Iterator[Problem]:
    if not (count := now.payloads[State.QUARANTINED]):
        return
    other = now.other_bytes
    advice = ["Correct the secret, then replay_raw --state quarantined."] if count > other else []
    advice += ["Of other bytes under a used key choose Handle too, or leave them to prune_raw."] if other else []
    yield Problem(
        name="payloads-quarantined",
        grade=Grade.WARNING,
        text=f"{counted(count, now.most)} payload{'s are' if count > 1 else ' is'} in quarantine"
        + (f", {counted(other, now.most)} of them with other bytes under a used key" if other else ", badly signed"),
        advice=" ".join(advice),
        path=admin_path(RawPayload, state=State.QUARANTINED),
    )


def _clocks(now: DatabaseStatus) -> Iterator[Problem]:
    ntp = "Set the clocks of all machines by NTP (timedatectl)."
    if now.from_future:
        yield Problem(
            name="clock-ahead",
            grade=Grade.WARNING,
            text=f"{counted(now.from_future, now.most)} payload{'s were' if now.from_future > 1 else ' was'} received"
            " in the future: a clock was ahead",
            advice=f"{ntp} process_raw handles these payloads now.",
            path=admin_path(RawPayload),
        )
    if abs(now.clock_differs) > DIFFERS:
        ahead = "behind" if now.clock_differs > 0 else "ahead of"
        yield Problem(
            name="clock-differs",
            grade=Grade.WARNING,
            text=f"The clock of {os.uname().nodename} is {abs(now.clock_differs):.1f} s {ahead} the database's",
            advice=ntp,
        )


def counted(number: int, most: int) -> str:
    """ "37", "at least 1000" where counting stopped at `most`."""
    return f"at least {number}" if number >= most else str(number)
