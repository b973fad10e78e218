"""What runs in a process of a queue's project: `python -m tests.peers.inside KIND ADDRESS COUNT`. Prints JSON."""

import json
import random
import socket
import sys
import time
from typing import Final

import django

from tests.benchmarks.timing import PAUSE, empty_times, microseconds, time_each
from tests.peers import job

#: Seconds between two jobs for an idle worker, from and to.
PAUSES: Final = (0.05, 0.15)
PATIENCE: Final = 60


def main(kind: str, address: str, count: str) -> None:
    django.setup()
    from shop import tasks  # type: ignore[import-not-found]  # the project's

    print(json.dumps({"enqueue": enqueue, "fill": fill, "idle": idle}[kind](tasks, address, int(count))))


def enqueue(tasks: object, _: str, count: int) -> float:
    """The median time of a call, in µs."""
    times = empty_times(count)
    prepared = [tasks.prepare(job.text("none")) for _ in range(count)]  # type: ignore[attr-defined]
    time_each(tasks.enqueue, prepared, times, pause=PAUSE)  # type: ignore[attr-defined]
    return microseconds(times)


def fill(tasks: object, address: str, count: int) -> int:
    """Enqueue so many, whose worker tells their rate."""
    for _ in range(count):
        tasks.enqueue(tasks.prepare(job.text("many", address, count)))  # type: ignore[attr-defined]
    return count


def idle(tasks: object, address: str, count: int) -> float:
    """The median time from the call to the start, in ms."""
    times = empty_times(count)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{address}")
        receiver.settimeout(PATIENCE)
        for number in range(count):
            time.sleep(random.uniform(*PAUSES))
            prepared = tasks.prepare(job.text("start", address))  # type: ignore[attr-defined]
            before = time.monotonic_ns()
            tasks.enqueue(prepared)  # type: ignore[attr-defined]
            times[number] = int(receiver.recv(64)) - before
    return microseconds(times) / 1000


if __name__ == "__main__":
    main(*sys.argv[1:])
