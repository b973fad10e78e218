"""`keep()` now and then, for a `process_raw` that waits in another process; how long until the handler starts."""

import os
import random
import socket
import time
from typing import Final

from notifications import keep
from tests.benchmarks.timing import empty_times, microseconds

#: Seconds between two payloads, from and to: long enough for the worker to fall asleep.
PAUSES: Final = (0.05, 0.15)
#: Seconds for the first one to start, while its worker does.
PATIENCE: Final = 60


def run(*, payloads: int) -> dict[str, float]:
    """The median and the worst time in ms, from the call of `keep()`."""
    times = empty_times(payloads)
    address = f"\0proppy-bench-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(PATIENCE)
        for number in range(payloads):
            time.sleep(random.uniform(*PAUSES))
            before = time.monotonic_ns()
            keep("bench_start", address.encode())
            times[number] = int(receiver.recv(64)) - before
    return {"median": microseconds(times) / 1000, "worst": microseconds(times, 1.0) / 1000}
