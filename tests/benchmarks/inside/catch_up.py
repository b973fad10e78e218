"""Followers that catch up with a journal, and `journalctl` over it, in turn."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence

from notifications.follow_journal.build_workers import worker_makers
from notifications.models import Position
from notifications.workers import loop
from tests.benchmarks.channels import Empty


def run(*, namespace: str, channels: Sequence[str], rounds: int, cold: Sequence[str] = ()) -> dict[str, float]:
    """Seconds, medians of the rounds; and the events that the empty channel was given in the last.

    `cold`: files that have to come from the disk each time.
    """
    printed, followed = [], []
    for turn in range(-1, rounds):  # the first warms up
        times = _print(namespace, cold), _follow(channels, cold)
        if turn >= 0:
            printed.append(times[0])
            followed.append(times[1])
    numbers = {"printed": statistics.median(printed), "followed": statistics.median(followed)}
    return numbers | {"delivered": Empty.delivered}


def _print(namespace: str, cold: Sequence[str]) -> float:
    _forget(cold)
    command = ["journalctl", f"--namespace={namespace}", "SYSLOG_IDENTIFIER=proppy"]
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _follow(channels: Sequence[str], cold: Sequence[str]) -> float:
    _forget(cold)
    Position.objects.all().delete()
    Empty.delivered = 0
    started = time.perf_counter()
    loop.run(list(worker_makers(channels, drain=True)))
    return time.perf_counter() - started


def _forget(files: Sequence[str]) -> None:
    """Take them out of the page cache."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)  # only what is on the disk can be forgotten
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
