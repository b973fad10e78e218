"""A follower that catches up with a journal, and `journalctl` over it, in turn."""

import subprocess
import time

from notifications.follow_journal.build_workers import worker_makers
from notifications.models import Position
from notifications.workers import loop
from tests.benchmarks.channels import Empty
from tests.benchmarks.rounds import interleaved


def run(*, namespace: str, channel: str, rounds: int) -> dict[str, list[float]]:
    """Seconds, by round; and the events that the empty channel was given in the last."""
    printed, followed = interleaved(rounds, lambda: _print(namespace), lambda: _follow(channel))
    return {"printed": printed, "followed": followed, "delivered": [Empty.delivered]}


def _print(namespace: str) -> float:
    command = ["journalctl", f"--namespace={namespace}", "SYSLOG_IDENTIFIER=proppy"]
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _follow(channel: str) -> float:
    Position.objects.all().delete()
    Empty.delivered = 0
    started = time.perf_counter()
    loop.run(list(worker_makers([channel], drain=True)))
    return time.perf_counter() - started
