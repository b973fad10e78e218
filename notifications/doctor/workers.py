"""Examines whether the workers of this machine turn: what the verdict says of them."""

from collections.abc import Iterator

from notifications.doctor.messages import finding_of
from notifications.status.now import machine_status
from notifications.status.worker_problems import worker_problems
from notifications.utils.finding import Finding, ok


def workers() -> Iterator[Finding]:
    """By their heartbeats."""
    now = machine_status()
    problems = list(worker_problems(now))
    yield from map(finding_of, problems)
    alive = ", ".join(f"{beat.command} (process {beat.pid})" for beat in now.workers or () if beat.turns)
    if not problems:
        yield ok(f"{alive} turn" if alive else "none turns here; a drain has worked off what was there")
