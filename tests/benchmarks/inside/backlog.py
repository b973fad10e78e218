"""A client that posts at a steady rate and takes the time of each answer, while `process_raw` works or is idle."""

import time
from array import array
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Final

from notifications.models import RawPayload, State
from tests.benchmarks.filling import fill, settle
from tests.benchmarks.payload import BODY, SENT
from tests.benchmarks.timing import empty_times, microseconds

#: Of the backlog.
SOURCE: Final = "bench"
#: Requests a second.
RATE: Final = 100
#: Seconds for the worker to begin.
PATIENCE: Final = 60
#: Posts that warm the server up.
WARM: Final = 50


def run(*, port: int = 0, seconds: float = 0, since: float = 0, backlog: int = 0) -> dict[str, float]:
    """Make it `backlog` payloads that wait; or post for `seconds`, once the worker has begun, and give times in ms.

    `since` is when the worker was started, in seconds since the epoch. `left` says how many wait in the end.
    """
    if not seconds:
        return _refill(backlog)
    began = datetime.fromtimestamp(since, UTC)
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        for _ in range(WARM):
            _post(client)
        _wait_until_working(began)
        times = _post_steadily(client, round(seconds * RATE))
    quantiles = {"median": 0.5, "p99": 0.99, "worst": 1.0}
    waiting = RawPayload.objects.filter(state=State.RECEIVED, next_attempt_at__isnull=False)
    return {name: microseconds(times, quantile) / 1000 for name, quantile in quantiles.items()} | {
        "left": waiting.count()
    }


def _refill(count: int) -> dict[str, float]:
    RawPayload.objects.all().delete()
    if count:
        fill(count, state=State.RECEIVED, source=SOURCE)
    settle()
    return {}


def _wait_until_working(began: datetime) -> None:
    """Until something of the backlog was handled after `began`, or something at all where there is none."""
    done = RawPayload.objects.filter(done_at__gt=began)
    if RawPayload.objects.filter(source=SOURCE).exists():
        done = done.filter(source=SOURCE)
    deadline = time.monotonic() + PATIENCE
    while not done.exists():
        if time.monotonic() > deadline:
            raise RuntimeError("process_raw did not begin")
        time.sleep(0.05)


def _post_steadily(client: HTTPConnection, count: int) -> "array[int]":
    """Nanoseconds from when each was due: whoever waits behind a slow one waits, too."""
    times = empty_times(count)
    start = time.monotonic()
    free = 0
    for number in range(count):
        due = start + number / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        since = round(due * 1e9) if free > due * 1e9 else time.monotonic_ns()
        _post(client)
        free = time.monotonic_ns()
        times[number] = free - since
    return times


def _post(client: HTTPConnection) -> None:
    client.request("POST", "/in/demo/", BODY, SENT)
    answer = client.getresponse()
    text = answer.read()
    if answer.status != 202:
        raise RuntimeError(f"{answer.status}: {text!r}")
