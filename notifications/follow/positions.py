"""How far a channel has read a journal: one follower for each, by a lock, and its place in the database."""

import fcntl
import os
import socket
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db.models import F
from django.utils import timezone

from notifications import locks
from notifications.clean import clean
from notifications.folders import make_private
from notifications.models import Position
from notifications.times import moment_of

#: At a lock: locks.holder() takes it for a moment, to see whether anybody has it.
ATTEMPTS: Final = 5
MACHINE_ID: Final = Path("/etc/machine-id")


class AlreadyFollowed(Exception):
    """Another process follows this channel on this machine."""


class Stuck(NamedTuple):
    """What a channel could not deliver yet."""

    waiting: int
    next_attempt_at: datetime
    problem: str
    held_until: datetime | None


class Key(NamedTuple):
    """What a position belongs to."""

    machine: str
    journal: str
    channel: str


def machine_id() -> str:
    """The id of this machine (man machine-id), else its host name."""
    try:
        return MACHINE_ID.read_text().strip() or socket.gethostname()
    except OSError:
        return socket.gethostname()


class Lock:
    """Held while a channel is followed; gone with the process, however it ends. Raises AlreadyFollowed."""

    def __init__(self, key: Key) -> None:
        path = locks.path_of(key)
        make_private(path.parent)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not any(self._take() for _ in range(ATTEMPTS)):
            holder = os.read(self._descriptor, 100).decode("utf-8", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise AlreadyFollowed(f"{key.channel} is followed already, by process {holder}. Stop that one first.")
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def _take(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            threading.Event().wait(0.02)
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)


def start(key: Key) -> str | None:
    """Where to go on; None is the oldest entry.

    A new channel starts at the youngest position of its journal, and that is saved at once: were it found anew after
    a crash, the other channels would have moved on. Raises what the database raises.
    """
    ours = Position.objects.filter(machine=key.machine, journal=key.journal)
    youngest = ours.order_by(F("entry_time").desc(nulls_last=True)).values_list("cursor", "entry_time").first()
    cursor, entry_time = youngest or ("", None)
    position, _ = Position.objects.get_or_create(**key._asdict(), defaults={"cursor": cursor, "entry_time": entry_time})
    return position.cursor or None


def find(key: Key, *, locked: bool = False) -> str | None:
    """Where the channel is, without beginning anything; None is the oldest entry.

    `locked`, in a transaction: a commit that is still on its way, though its client has gone, is waited for.
    """
    ours = Position.objects.filter(**key._asdict())
    if locked:
        ours = ours.select_for_update()
    return ours.values_list("cursor", flat=True).first() or None


def held_for(key: Key) -> float:
    """Seconds for which the destination still wants to be left alone. Raises what the database raises."""
    until = Position.objects.filter(**key._asdict()).values_list("held_until", flat=True).first()
    return max((until - timezone.now()).total_seconds(), 0.0) if until else 0.0


def delivered(channel: str) -> None:
    """Remember that a channel of this machine has just delivered. Raises what the database raises."""
    ours = Position.objects.filter(machine=machine_id(), channel=channel).exclude(journal__endswith="#text")
    ours.update(delivered_at=timezone.now())


def save(key: Key, cursor: str, time_us: int, *, delivered: bool) -> None:
    """Remember where to go on; nothing waits there. Raises what the database raises."""
    values: dict[str, Any] = {"cursor": cursor, "entry_time": moment_of(time_us)}
    values |= {"waiting": 0, "next_attempt_at": None, "problem": ""}
    if delivered:
        values["delivered_at"] = timezone.now()
    ours = Position.objects.filter(**key._asdict())
    if not ours.update(**values, updated_at=timezone.now()):  # no SELECT before it, as update_or_create() has
        Position.objects.update_or_create(**key._asdict(), defaults=values)


def save_stuck(key: Key, stuck: Stuck) -> None:
    """Show what waits, and for what. Raises what the database raises."""
    ours = Position.objects.filter(**key._asdict())
    ours.update(**stuck._asdict() | {"problem": clean(stuck.problem)}, updated_at=timezone.now())
