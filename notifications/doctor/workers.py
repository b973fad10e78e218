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
    alive = [f"{beat.command} (process {beat.pid})" for beat in now.workers or () if beat.turns]
    if not problems:
        yield ok(
            f"{', '.join(alive)} {'runs' if len(alive) == 1 else 'run'}"
            if alive
            else "none runs here; a drain has worked off what was there"
        )
