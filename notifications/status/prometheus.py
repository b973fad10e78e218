"""Verdict and status in Prometheus' text format."""

import json
from collections.abc import Iterator

from notifications.operations.problem import Grade, Problem
from notifications.status.database import DatabaseStatus
from notifications.status.now import SpoolStatus, Status
from notifications.status.verdict import Verdict


def exposition(found: Verdict) -> Iterator[str]:
    """The lines of a verdict and its status. Names and labels are a contract with dashboards."""
    for grade in Grade:
        yield f'proppy_problems{{grade="{grade}"}} {found.count(grade)}'
    yield from dict.fromkeys(map(_problem, found.problems))  # two machines may have the same: a series comes once
    yield from _status_exposition(found.status)


def _problem(problem: Problem) -> str:
    where = "other machine" if problem.elsewhere else "here"
    labels = f'name="{problem.name}",subject={_quoted(problem.subject)},grade="{problem.grade}",where="{where}"'
    return f"proppy_problem{{{labels}}} 1"


def _status_exposition(now: Status) -> Iterator[str]:
    yield f"proppy_spool_up {int(now.spool is not None)}"
    if now.spool is not None:
        yield from _spool_exposition(now.spool)
    if now.disk.free is not None:
        yield f"proppy_disk_free_bytes {now.disk.free}"
    database_disk = now.database_disk
    if database_disk is not None and database_disk.free is not None:
        yield f"proppy_database_disk_free_bytes {database_disk.free}"
    yield f"proppy_disk_low {int(now.disk.low or (database_disk is not None and database_disk.low))}"
    yield f"proppy_database_up {int(not now.database_is_away)}"
    if now.database is not None:
        yield from _database_exposition(now.database)


def _spool_exposition(now: SpoolStatus) -> Iterator[str]:
    yield f"proppy_spool_files {now.waiting}"
    yield f"proppy_spool_oldest_seconds {now.oldest or 0:.3f}"
    yield f"proppy_spool_set_aside_files {now.set_aside}"
    yield f"proppy_spool_bytes {now.bytes}"
    yield f"proppy_spool_max_bytes {now.max_bytes}"
    yield f"proppy_breaker_open {int(now.breaker_open)}"


def _database_exposition(now: DatabaseStatus) -> Iterator[str]:
    yield from (f'proppy_payloads{{state="{state}"}} {count}' for state, count in now.payloads.items())
    yield f"proppy_payloads_other_bytes {now.other_bytes}"
    yield f"proppy_payloads_oldest_seconds {now.oldest_waiting or 0:.3f}"
    failed = dict.fromkeys((channel.channel for channel in now.channels), 0) | now.failed
    yield from (f"proppy_failed_deliveries{{channel={_quoted(name)}}} {count}" for name, count in failed.items())
    yield f"proppy_failed_deliveries_to_send_again {now.failed_again}"
    yield f"proppy_losses {now.losses}"
    yield f"proppy_lost_events_total {now.lost_events}"
    yield f"proppy_refused_entries_total {sum(now.refused.values())}"
    for channel in now.channels:
        names = {"channel": channel.channel, "journal": channel.journal, "machine": channel.machine}
        labels = ",".join(f"{label}={_quoted(value)}" for label, value in names.items())
        yield f"proppy_channel_lag_seconds{{{labels}}} {channel.lag or 0:.3f}"
        yield f"proppy_channel_waiting{{{labels}}} {channel.waiting}"


def _quoted(value: str) -> str:
    """Prometheus escapes quotation marks, backslashes and line ends as JSON does."""
    return json.dumps(value, ensure_ascii=False)
