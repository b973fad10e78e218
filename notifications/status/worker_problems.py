"""What is wrong with the workers of this machine: none turns, one is frozen."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final

from django.utils import timezone

from notifications.conf import conf
from notifications.operations.problem import Grade, Problem
from notifications.positions.key import machine_id
from notifications.status.now import Status
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.times import moment_of
from notifications.workers.drains import is_drained
from notifications.workers.heartbeat import Beat

#: What waits while no process of a command turns, and how it is started.
WAITS: Final = {"process_raw": "payloads wait", "follow_journal": "events wait"}
#: Seconds for which drains hide no killed worker. After that cron has taken its place.
NEWS: Final = 86_400.0


def worker_problems(now: Status) -> Iterator[Problem]:
    """Those of both commands, from their heartbeats. A follower of an older release is known by its locks."""
    if now.workers is None:
        yield Problem(
            name="workers-unknown",
            grade=Grade.UNKNOWN,
            text=f"This user may not read the heartbeats in {conf.state_dir} on {os.uname().nodename}",
            advice="Run this as the user of the services.",
        )
        return
    yield from problems_of("process_raw", now.workers)
    if any(beat.command == "follow_journal" for beat in now.workers) or (_has_channels(now) and not _is_followed(now)):
        yield from problems_of("follow_journal", now.workers)


def problems_of(command: str, workers: Sequence[Beat]) -> Iterator[Problem]:
    """No process of this command turns, or one is frozen."""
    ours = [beat for beat in workers if beat.command == command]
    name = command.replace("_", "-")
    if is_dead(command, workers):
        yield Problem(
            name=f"{name}-dead",
            grade=Grade.WARNING,
            text=f"No {command} runs on {os.uname().nodename}{_killed(ours)}: {WAITS[command]}",
            advice=f"Start it ({_how_to_start(command)}); its log says why it ended.",
        )
    for beat in ours:
        if beat.is_frozen:
            yield Problem(
                name=f"{name}-frozen",
                subject=f"{command} {beat.pid}",
                grade=Grade.WARNING,
                text=f"{command} on {beat.host} (process {beat.pid}) has hung for"
                f" {duration(time.time() - beat.silent_since)}{_in_hand(beat)}",
                advice=f"Restart its service, or kill -9 {beat.pid}: others take over what it has in hand.",
            )


def is_dead(command: str, workers: Sequence[Beat] | None) -> bool:
    """None runs here, nor is drained by cron. False if nobody may know (`workers` is None)."""
    if workers is None:
        return False
    ours = [beat for beat in workers if beat.command == command]
    killed = any(beat.beat_at > time.time() - NEWS for beat in ours)
    return not any(beat.alive for beat in ours) and (killed or not is_drained(command))


def _how_to_start(command: str) -> str:
    unit = conf.follower_unit.removesuffix(".service") if command == "follow_journal" else ""
    return f"systemctl start {unit}, or manage.py {command}" if unit else f"manage.py {command}, or its service"


def _killed(workers: Sequence[Beat]) -> str:
    last = max(workers, key=lambda beat: beat.beat_at, default=None)
    return f" since {_clock(last.beat_at)}, when process {last.pid} was killed" if last else ""


def _in_hand(beat: Beat) -> str:
    if not beat.activities:
        return ""
    what, since = beat.activities[0]
    return f"; it began with {one_line(what)} at {_clock(since)}"


def _has_channels(now: Status) -> bool:
    return bool(conf.channels or (now.database and now.database.channels))


def _is_followed(now: Status) -> bool:
    channels = now.database.channels if now.database else []
    return any(channel.followed for channel in channels if channel.machine == machine_id())


def _clock(seconds: float) -> str:
    return f"{timezone.localtime(moment_of(int(seconds * 1e6))):%Y-%m-%d %H:%M:%S}"
