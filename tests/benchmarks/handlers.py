"""Handlers of the benchmarks' own sources."""

import socket
import time

from notifications import on_payload
from notifications.models import RawPayload


@on_payload("bench")
def do_nothing(payload: RawPayload) -> None:
    """What is left is the cost of the engine."""


@on_payload("bench_start")
def tell_the_time(payload: RawPayload) -> None:
    """Send the time of the start, in nanoseconds of the monotonic clock, to the socket that the body names."""
    now = time.monotonic_ns()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(str(now).encode(), bytes(payload.body))
