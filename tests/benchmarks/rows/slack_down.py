"""Memory of `follow_journal` while events wait and Slack is down."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.journal import events, fill
from tests.benchmarks.lab import LONGEST, Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.process import children, cpu_percent, memory, proportional
from tests.benchmarks.table import Row, unmeasured
from tests.benchmarks.telling import telling_site
from tests.support.ports import free_port
from tests.support.reading import Reading
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

PATH: Final = "memory while events wait and Slack is down"
EVENTS: Final = 300_000
MOST_MB: Final = 100
MB: Final = 1_000_000
#: Percent of a core below which the follower rests, and seconds of looking.
RESTS: Final = 5
LOOK: Final = 2.0
WAITING: Final = "SELECT waiting FROM notifications_position WHERE channel = 'SLACK' AND waiting > 0"


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield unmeasured(PATH, why)
        return
    count = lab.count(EVENTS)
    with lab.journald() as journald:
        fill(journald.name, events("SLACK", count))
        down = {"SLACK_API_URL": f"http://127.0.0.1:{free_port()}/api/", "SLACK_TOKEN": FakeSlack.token}
        site = telling_site(lab, journald, down)
        follower, reading = site.start("follow_journal"), Reading(site)
        wait_for(
            lambda: reading.rows(WAITING) and cpu_percent(follower.pid, seconds=lab.seconds(LOOK)) < RESTS,
            timeout=LONGEST,
            message="the follower rests",
        )
        ((waiting,),) = reading.rows(WAITING)
        row = _row(follower.pid, count, waiting)
        site.terminate("follow_journal")
    yield row


def _row(pid: int, count: int, waiting: int) -> Row:
    resident, peak = memory(pid)
    helpers = [proportional(child) for child in children(pid)]
    total, anonymous = (sum(sizes) / MB for sizes in zip(*helpers, strict=True))
    text = (
        f"resident, at most {peak / MB:.0f} MB; {count:,} events wait, {waiting:,} of them read; its {len(helpers)} "
        f"journalctl {total:.0f} MB, {anonymous:.0f} MB of it no page of the journal"
    )
    return Row(PATH, "", f"< {MOST_MB} MB", f"{resident / MB:.0f} MB", (peak < MOST_MB * MB,), text)
