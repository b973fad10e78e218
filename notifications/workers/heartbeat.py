"""Heartbeats: each worker process writes into a file of its own that it turns, and what it does now.

The process holds a lock on the file, which the kernel releases when it dies, also if a child that a handler forked
lives on. A process that is stopped (SIGSTOP) keeps
the lock and writes nothing: it is frozen.
"""

import json
import logging
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from notifications.conf import conf
from notifications.utils.file_locks import EXISTING, ProcessLock, release, take_lock
from notifications.workers import drains
from notifications.workers.activity import Activity, activities

logger = logging.getLogger(__name__)

#: Seconds between two beats.
INTERVAL: Final = 5.0
#: Seconds without a beat after which a living process is frozen.
FROZEN: Final = 30.0
#: Seconds without a turn of one thread after which it hangs: the WatchdogSec= of our units. A handler may take longer.
HANGS: Final = 180.0
#: Bytes of the file, written at once: a disk that fills up later takes each beat.
SIZE: Final = 4096
#: The most activities of a beat, and characters of each.
MOST: Final = 8
LONGEST: Final = 200
NEW: Final = ".new"
#: Command, process, and what makes it unique.
NAME: Final = re.compile(r"([a-z_]+)-([0-9]+)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Beat:
    """The last beat of a process. Times are seconds since the epoch.

    `turned_at`: when the thread turned that has not turned for longest. `alive`: the process has not ended.
    """

    command: str
    host: str
    pid: int
    release: str
    started_at: float
    beat_at: float
    turned_at: float
    alive: bool = True
    activities: list[Activity] = field(default_factory=list)

    @property
    def turns(self) -> bool:
        """Whether it lives and turns. A handler that takes long, within its lease, is no reason to doubt it."""
        return self.alive and not self.is_frozen

    @property
    def is_frozen(self) -> bool:
        """Whether it lives and does not turn."""
        return self.alive and (self.beat_at < time.time() - FROZEN or self.beat_at - self.turned_at > longest_turn())

    @property
    def silent_since(self) -> float:
        """When it, or one of its threads, turned last."""
        return min(self.beat_at, self.turned_at) if self.beat_at - self.turned_at > longest_turn() else self.beat_at


def longest_turn() -> float:
    """Seconds that a turn of a thread may take: a handler has its lease."""
    return max([HANGS, *(2 * source.lease for source in conf.sources.values())])


class Heartbeat:
    """The heartbeat of this process, from now on until `close()`. Raises OSError."""

    def __init__(self, command: str) -> None:
        _forget_dead(command)
        drains.forget(command)
        self._command, self._started_at, self._due = command, time.time(), 0.0
        self._path = _folder() / f"{command}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        unlocked = self._path.with_name(self._path.name + NEW)  # unlocked it would pass for that of a dead process
        self._lock = ProcessLock(unlocked)
        self.beat(0.0)
        unlocked.rename(self._path)

    def beat(self, unturned: float) -> None:
        """Write it, unless the last one is younger than INTERVAL. `unturned`: seconds of the slowest thread."""
        if self._lock.held is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + INTERVAL
        try:
            os.pwrite(self._lock.held, self._text(unturned), 0)
        except OSError as error:  # the time of the file alone says that we turn
            logger.warning("NOTIFICATIONS_STATE_DIR takes no heartbeat: %s", error)
            with suppress(OSError):
                os.utime(self._lock.held)

    def _text(self, unturned: float) -> bytes:
        now = time.time()
        beat = Beat(
            command=self._command,
            host=os.uname().nodename,
            pid=os.getpid(),
            release=conf.release,
            started_at=self._started_at,
            beat_at=now,
            turned_at=now - unturned,
            activities=[Activity(what[:LONGEST], since) for what, since in activities()[:MOST]],
        )
        text = json.dumps(asdict(beat)).encode()
        if len(text) > SIZE:  # a longer text would leave its end behind the next one
            text = json.dumps(asdict(replace(beat, release=beat.release[:LONGEST], activities=[]))).encode()
        return text.ljust(SIZE)

    def close(self) -> None:
        """The process ends in order; in a forked child nothing happens."""
        if self._lock.held is not None:
            self._path.unlink(missing_ok=True)
        self._lock.close()


def beat_of(values: Any) -> Beat | None:
    """From what `asdict` makes of one, and JSON of that; also of a release that has more fields. Else None."""
    try:
        known = {each.name: values[each.name] for each in fields(Beat)}
        return Beat(**known | {"activities": [Activity(*each) for each in values["activities"]]})
    except (TypeError, KeyError):
        return None


def beats() -> list[Beat]:
    """The heartbeats of this machine, also of processes that were killed; until the next one of their command starts.

    Raises OSError if this user may not read the folder.
    """
    return sorted(_beats(), key=lambda beat: (beat.command, beat.pid))


def _beats() -> Iterator[Beat]:
    for path in _paths():
        if NAME.fullmatch(path.name) is None:  # of one that starts: it could not lock what we lock
            continue
        with suppress(FileNotFoundError, PermissionError):  # it has just ended; or it was another user's
            alive, beat = _is_locked(path), _beat_in(path)
            if beat:
                yield replace(beat, alive=alive)


def _beat_in(path: Path) -> Beat | None:
    """None if it is not one of ours. On a full disk the name and the time of the file say what its text does not."""
    name = NAME.fullmatch(path.name)
    if name is None:
        return None
    changed_at = path.stat().st_mtime
    try:
        beat = beat_of(json.loads(path.read_bytes()))
    except ValueError:
        beat = None
    if beat is None:
        return Beat(name[1], os.uname().nodename, int(name[2]), "", changed_at, changed_at, changed_at)
    return replace(beat, beat_at=max(beat.beat_at, changed_at))


def _is_locked(path: Path) -> bool:
    try:
        release(take_lock(path, EXISTING, shared=True))
    except BlockingIOError:
        return True
    return False


def _forget_dead(command: str) -> None:
    """Its successor starts: what was killed is no news any more."""
    for path in _paths():
        if path.name.startswith(f"{command}-"):
            with suppress(BlockingIOError, FileNotFoundError, PermissionError):
                if path.name.endswith(NEW) and time.time() - path.stat().st_mtime < FROZEN:  # it is about to lock it
                    continue
                descriptor = take_lock(path, os.O_RDWR)
                path.unlink(missing_ok=True)
                release(descriptor)


def _folder() -> Path:
    return conf.state_dir / "heartbeats"


def _paths() -> list[Path]:
    try:
        return list(_folder().iterdir())
    except FileNotFoundError:
        return []
