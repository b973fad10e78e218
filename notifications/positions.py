"""How far a channel has read a journal: one follower for each, by a lock, and its place in the database."""

import fcntl
import hashlib
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from django.utils import timezone

from notifications.conf import conf
from notifications.models import Position

MACHINE_ID: Final = Path("/etc/machine-id")


class AlreadyFollowed(Exception):
    """Another process follows this channel on this machine."""


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
        folder = conf.state_dir / "locks"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256("\0".join(key).encode()).hexdigest()
        path = folder / f"{key.channel}-{digest[:12]}"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 100).decode("utf-8", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise AlreadyFollowed(
                f"{key.channel} is followed already, by process {holder}. Stop that one first."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        os.close(self._descriptor)


def load(key: Key) -> str | None:
    """Where to go on. A new channel starts at the youngest position of its journal, else (None) at the oldest entry."""
    ours = Position.objects.filter(machine=key.machine, journal=key.journal)
    cursor = ours.filter(channel=key.channel).values_list("cursor", flat=True).first()
    if cursor is None:
        cursor = ours.order_by("-entry_time").values_list("cursor", flat=True).first()
    return cursor or None


def save(key: Key, cursor: str, time_us: int, *, delivered: bool) -> None:
    """Remember where to go on. Raises what the database raises."""
    values = {"cursor": cursor, "entry_time": datetime.fromtimestamp(time_us / 1_000_000, UTC)}
    if delivered:
        values["delivered_at"] = timezone.now()
    Position.objects.update_or_create(machine=key.machine, journal=key.journal, channel=key.channel, defaults=values)
