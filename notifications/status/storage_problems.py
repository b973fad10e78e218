"""What is wrong with the places to store in: database, disks, spool, journald."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.operations.problem import Grade, Problem, journald_unit
from notifications.status.now import SpoolStatus, Status
from notifications.status.worker_problems import is_dead
from notifications.utils.durations import duration
from notifications.utils.sizes import size

#: The part of its quota at which the spool is nearly full.
NEARLY: Final = 0.9
#: Seconds that a payload may wait in the spool of a database that works.
WAITS: Final = 300.0
#: Anybody can see there which processes a unit has, without D-Bus (man systemd.unit).
UNITS: Final = Path("/sys/fs/cgroup/system.slice")
BOOTED: Final = Path("/run/systemd/system")


def storage_problems(now: Status, database_problem: str) -> Iterator[Problem]:
    """`database_problem`: what keeps this process from the database, or ""."""
    host = os.uname().nodename
    full = now.database_disk is not None and now.database_disk.low
    is_away = now.database_is_away or bool(database_problem)
    if full:
        yield _database_disk(now, host)
    elif is_away:
        yield _database_away(now, database_problem, host)
    elif now.database is None:
        yield _database_slow(now, host)
    if now.database is None:
        yield Problem(
            name="database-unknown",
            grade=Grade.UNKNOWN,
            text="Payloads, channels, failed deliveries and losses are unknown: only the database has them",
            advice="Ask again when it is well.",
        )
    if now.disk.low and not (full and now.one_disk):
        yield _state_disk(now, host, is_away=is_away)
    yield from _spool(now, host, is_away=is_away)
    yield from _journald(host)


def _database_disk(now: Status, host: str) -> Problem:
    free = now.database_disk.free if now.database_disk else None
    return Problem(
        name="database-disk",
        grade=Grade.CRITICAL,
        text=f"The database's disk on {host} has {size(free or 0)} left: posts are refused (503) below"
        f" {size(conf.min_free_bytes)}",
        advice="Make room on it, or give it more.",
    )


def _database_away(now: Status, database_problem: str, host: str) -> Problem:
    return Problem(
        name="database-away",
        grade=Grade.CRITICAL,
        text=database_problem or f"The database is away, seen from {host}: {now.database_problem}",
        advice="Start it, or mend the way to it. Posts go to the spool meanwhile.",
    )


def _database_slow(now: Status, host: str) -> Problem:
    return Problem(
        name="database-slow",
        grade=Grade.UNKNOWN,
        text=f"The database answers {host} too late or wrongly: {now.database_problem}",
        advice="Look at its load, its locks and its log; is it migrated?",
    )


def _state_disk(now: Status, host: str, *, is_away: bool) -> Problem:
    return Problem(
        name="state-disk",
        grade=Grade.CRITICAL if is_away else Grade.WARNING,
        text=f"The disk of NOTIFICATIONS_STATE_DIR ({conf.state_dir}) on {host} has {size(now.disk.free or 0)} left:"
        f" below {size(conf.min_free_bytes)} posts are refused (503) while the database is away",
        advice="Make room on it, or give it more.",
    )


def _spool(now: Status, host: str, *, is_away: bool) -> Iterator[Problem]:
    if now.spool is None:
        yield Problem(
            name="spool-unreadable",
            grade=Grade.UNKNOWN,
            text=f"The spool on {host} cannot be read: {now.spool_problem}",
            advice="Run this as the user of the services; else mend the folder.",
        )
        return
    spool = now.spool
    if spool.bytes >= NEARLY * spool.max_bytes:
        yield Problem(
            name="spool-full",
            grade=Grade.CRITICAL if is_away else Grade.WARNING,
            text=f"The spool on {host} is nearly full, {size(spool.bytes)} of {size(spool.max_bytes)}: then posts are"
            " refused (503) while the database is away",
            advice=f"{_how_to_empty(now, is_away=is_away)}, or raise NOTIFICATIONS_SPOOL_MAX_BYTES.",
        )
    if not is_away:
        yield from _waiting(spool, host, is_dead=is_dead("process_raw", now.workers))
    if spool.set_aside:
        yield Problem(
            name="spool-set-aside",
            grade=Grade.WARNING,
            text=f"{_files(spool.set_aside)} of the spool on {host} cannot be imported",
            advice=f"Look into {conf.state_dir / 'spool'}: their names say why.",
        )


def _how_to_empty(now: Status, *, is_away: bool) -> str:
    if is_away:
        return "Bring the database back"
    if is_dead("process_raw", now.workers):
        return "Start process_raw, which imports what is there"
    return "See the log of process_raw, which imports what is there"


def _waiting(spool: SpoolStatus, host: str, *, is_dead: bool) -> Iterator[Problem]:
    """While the database works."""
    if not spool.waiting or (spool.oldest or 0.0) < WAITS:
        return
    many, first = f"wait{'s' * (spool.waiting == 1)}", "Start" if is_dead else "See the log of"
    yield Problem(
        name="spool-waits",
        grade=Grade.WARNING,
        text=f"{_files(spool.waiting)} of the spool on {host} {many}, the oldest for {duration(spool.oldest or 0.0)},"
        " though the database works",
        advice=f"{first} process_raw, which imports them.",
    )


def _files(count: int) -> str:
    return f"{count} file{'s' * (count > 1)}"


def _journald(host: str) -> Iterator[Problem]:
    unit = journald_unit()
    if unit and not _runs(unit):
        yield Problem(
            name="journald-dead",
            grade=Grade.WARNING,
            text=f"{unit} on {host} does not run: events wait in the memory of the processes",
            advice=f"systemctl restart {unit}; then journalctl -u {unit} says why it ended.",
        )


def _runs(unit: str) -> bool:
    """Whether systemd has a process for it, or is not the one to ask."""
    if not BOOTED.is_dir() or not UNITS.is_dir():
        return True
    files = [UNITS / unit / "cgroup.procs", *UNITS.glob(f"*/{unit}/cgroup.procs")]
    return any(path.exists() and path.read_bytes() for path in files)
