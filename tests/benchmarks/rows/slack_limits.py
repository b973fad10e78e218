"""How many messages it takes to catch up with a Slack that limits."""

import re
import time
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.journal import events, fill
from tests.benchmarks.lab import LONGEST, Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, unmeasured
from tests.benchmarks.telling import telling_site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

PATH: Final = "catching up while Slack takes one message a second"
EVENTS: Final = 10_000
MESSAGES: Final = 10


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield unmeasured(PATH, why)
        return
    count = lab.count(EVENTS)
    with FakeSlack() as slack, lab.journald() as journald:
        slack.limit_per_second = 1
        fill(journald.name, events("SLACK", count))
        site = telling_site(lab, journald, slack.env)
        site.start("follow_journal")
        started = time.monotonic()
        wait_for(lambda: _told(slack) >= count, timeout=LONGEST, message=f"{count} events")
        seconds = time.monotonic() - started
        site.terminate("follow_journal")
        if _told(slack) != count:
            raise RuntimeError(f"{_told(slack)} events were told of {count}")
        taken, refused = len(slack.messages), len(slack.requests) - len(slack.messages)
    text = f"{count:,} events in {seconds:.1f} s from the start of the process; {refused} requests were refused"
    yield Row(PATH, "", f"<= {MESSAGES} messages", f"{taken} message{'s' * (taken > 1)}", taken <= MESSAGES, text)


def _told(slack: FakeSlack) -> int:
    """How many events the messages stand for: a digest begins with its number."""
    numbers = [re.match(r"(\d+) ", message["text"]) for message in slack.messages]
    return sum(int(number[1]) if number else 1 for number in numbers)
