"""From `emit()` to Slack, for a `follow_journal` that has nothing else to do."""

import re
from array import array
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, unmeasured
from tests.benchmarks.telling import telling_site
from tests.benchmarks.timing import microseconds
from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

PATH: Final = "event to Slack's API (local server), idle"
EVENTS: Final = 50
MEDIAN_MS: Final = 20
P99_MS: Final = 100
#: Seconds between two events, from and to: the channel may be called once a second.
PAUSES: Final = (1.0, 1.6)
#: Text of an event, with the time when it was told.
TOLD: Final = "Ada Lovelace signed up at {}"
TEXT: Final = re.compile(TOLD.format(r"(\d+)"))


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield unmeasured(PATH, why)
        return
    with FakeSlack() as slack, lab.journald() as journald:
        site = telling_site(lab, journald, slack.env)
        site.start("follow_journal")
        _tell(lab, site, 1)
        wait_for(lambda: _times(slack), timeout=60, message="the first message")  # it has started
        slack.messages.clear()
        count = lab.count(EVENTS)
        post = _tell(lab, site, count)
        site.terminate("follow_journal")
        times = _times(slack)
    if len(times) != count:
        raise RuntimeError(f"{len(times)} of {count} events came: {slack.messages}")
    yield _row(times, post)


def _tell(lab: Lab, site: Site, count: int) -> float:
    """Milliseconds that a post to Slack takes alone."""
    numbers = lab.inside(site, "to_slack", events=count, pauses=PAUSES, told=TOLD, posts=lab.count(20))
    return float(numbers["post"])


def _times(slack: FakeSlack) -> "array[int]":
    """Nanoseconds from the call of `emit()` to the request."""
    came = [(TEXT.fullmatch(message["text"]), message["received"]) for message in slack.messages]
    return array("q", [int(received * 1e9) - int(match[1]) for match, received in came if match])


def _row(times: "array[int]", post: float) -> Row:
    median, p99, worst = (microseconds(times, quantile) / 1000 for quantile in (0.5, 0.99, 1.0))
    text = (
        f"p99 {p99:.1f} ms, worst {worst:.1f} ms, from the call of `emit()` in another process; a post alone and its "
        f"answer {post:.1f} ms; {len(times)} events {PAUSES[0]:g} to {PAUSES[1]:g} s apart"
    )
    reach = f"median <= {MEDIAN_MS} ms, p99 <= {P99_MS} ms"
    return Row(PATH, "", reach, f"{median:.1f} ms", (median <= MEDIAN_MS and p99 <= P99_MS,), text)
