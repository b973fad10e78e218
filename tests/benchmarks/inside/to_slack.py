"""Events for Slack now and then, for a `follow_journal` that waits in another process; then Slack's answer alone."""

import random
import time
from collections.abc import Sequence

from django.utils import timezone

from notifications import Event, emit
from notifications.channels import make_channel
from tests.benchmarks.timing import empty_times, microseconds, time_each


def run(*, events: int, pauses: Sequence[float], told: str, posts: int) -> dict[str, float]:
    """Median in ms of a post to Slack alone.

    `pauses`: seconds between two events, from and to. `told`: their text, with {} for the time when they were told, in
    nanoseconds of the monotonic clock.
    """
    for _ in range(events):
        time.sleep(random.uniform(*pauses))
        emit("SLACK", told.format(time.monotonic_ns()))
    times = empty_times(posts)
    channel, event = make_channel("SLACK"), Event("SLACK", "Ada Lovelace", timezone.now())
    for number in range(posts):
        time.sleep(random.uniform(*pauses) / 10)
        time_each(channel.deliver, [[event]], times, number)
    return {"post": microseconds(times) / 1000}
