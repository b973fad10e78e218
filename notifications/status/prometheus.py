"""Verdict, status and what was counted since ever, in Prometheus' text format."""

from collections.abc import Iterator, Sequence
from itertools import chain

from notifications.conf import conf
from notifications.operations.problem import Grade, Problem
from notifications.status.channels import without_left
from notifications.status.counted_series import Row, series_samples
from notifications.status.database import DatabaseStatus
from notifications.status.metric_families import FAMILIES
from notifications.status.now import SpoolStatus, Status
from notifications.status.verdict import Verdict
from notifications.utils.prometheus_text import Sample, page, sample


def exposition(found: Verdict, counted: Sequence[Row] | None) -> str:
    """The page. `counted`: the rows of what was counted since ever, None if the database does not say."""
    samples = chain(_verdict(found), _status(found.status), series_samples(counted) if counted is not None else ())
    return page(FAMILIES, samples)


def _verdict(found: Verdict) -> Iterator[Sample]:
    for grade in Grade:
        yield sample("proppy_problems", found.count(grade), grade=grade)
    yield from map(_problem, found.problems)


def _problem(problem: Problem) -> Sample:
    where = "other machine" if problem.elsewhere else "here"
    names = {"name": problem.name, "subject": problem.subject, "grade": problem.grade, "where": where}
    return sample("proppy_problem", 1, **names)


def _status(now: Status) -> Iterator[Sample]:
    yield sample("proppy_build_info", 1, release=conf.release)
    yield sample("proppy_spool_up", int(now.spool is not None))
    if now.spool is not None:
        yield from _spool(now.spool)
    if now.disk.free is not None:
        yield sample("proppy_disk_free_bytes", now.disk.free)
    database_disk = now.database_disk
    if database_disk is not None and database_disk.free is not None:
        yield sample("proppy_database_disk_free_bytes", database_disk.free)
    yield sample("proppy_disk_low", int(now.disk.low or (database_disk is not None and database_disk.low)))
    yield sample("proppy_database_up", int(not now.database_is_away))
    if now.database is not None:
        yield from _database(now.database)


def _spool(now: SpoolStatus) -> Iterator[Sample]:
    yield sample("proppy_spool_files", now.waiting)
    yield sample("proppy_spool_oldest_seconds", f"{now.oldest or 0:.3f}")
    yield sample("proppy_spool_set_aside_files", now.set_aside)
    yield sample("proppy_spool_bytes", now.bytes)
    yield sample("proppy_spool_max_bytes", now.max_bytes)
    yield sample("proppy_breaker_open", int(now.breaker_open))


def _database(now: DatabaseStatus) -> Iterator[Sample]:
    yield from (sample("proppy_payloads", count, state=state) for state, count in now.payloads.items())
    yield sample("proppy_payloads_other_bytes", now.other_bytes)
    yield sample("proppy_payloads_oldest_seconds", f"{now.oldest_waiting or 0:.3f}")
    failed = dict.fromkeys((channel.channel for channel in now.channels), 0) | now.failed
    yield from (sample("proppy_failed_deliveries", count, channel=name) for name, count in failed.items())
    yield sample("proppy_failed_deliveries_to_send_again", now.failed_again)
    yield sample("proppy_losses", now.losses)
    yield sample("proppy_lost_events_total", now.lost_events)
    yield sample("proppy_refused_entries_total", sum(now.refused.values()))
    for channel in without_left(now.channels):
        names = {"channel": channel.channel, "journal": channel.journal, "machine": channel.machine}
        yield sample("proppy_channel_lag_seconds", f"{channel.lag or 0:.3f}", **names)
        yield sample("proppy_channel_waiting", channel.waiting, **names)
