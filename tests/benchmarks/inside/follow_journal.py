"""The real `follow_journal` into an empty channel, and a bare journalctl, in turn, over the same entries."""

import subprocess
import time
from typing import Final

from notifications.follow_journal.build_workers import worker_makers
from notifications.journal import FIELDS
from notifications.models import Position
from notifications.workers import loop
from tests.benchmarks.channels import Empty
from tests.benchmarks.journal import events, fill
from tests.benchmarks.rounds import interleaved

OPTIONS: Final = ("-o", "json", f"--output-fields={','.join(FIELDS)}", "SYSLOG_IDENTIFIER=proppy")


def run(*, namespace: str, entries: int, rounds: int) -> dict[str, list[float]]:
    """Entries per second, by round."""
    fill(namespace, events("BENCH", entries))
    printed, followed = interleaved(rounds, lambda: entries / _print(namespace), lambda: entries / _follow(entries))
    return {"journalctl": printed, "followed": followed}


def _print(namespace: str) -> float:
    started = time.perf_counter()
    subprocess.run(["journalctl", f"--namespace={namespace}", *OPTIONS], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _follow(count: int) -> float:
    Position.objects.all().delete()
    Empty.delivered = 0
    started = time.perf_counter()
    loop.run(list(worker_makers(["BENCH"], drain=True)))
    seconds = time.perf_counter() - started
    if Empty.delivered != count:
        raise RuntimeError(f"the channel was given {Empty.delivered} of {count} events")
    return seconds
