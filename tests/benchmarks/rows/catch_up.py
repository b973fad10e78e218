"""A follower that catches up with a journal into which others write more."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.journal import fill, mixed
from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import ratios
from tests.benchmarks.table import Row, at_most, unmeasured

PATH: Final = "catching up with a mixed journal"
LIMIT: Final = "`journalctl SYSLOG_IDENTIFIER=proppy` to /dev/null"
ENTRIES: Final = 300_000
EVENTS: Final = 1_000


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield unmeasured(PATH, why)
        return
    entries, count = lab.count(ENTRIES), lab.count(EVENTS)
    with lab.journald() as journald:
        fill(journald.name, mixed("BENCH", count, entries))
        site = lab.site(JOURNAL_URL=journald.url, TEXT_JOURNAL_URL=lab.journald().url)
        numbers = lab.inside(site, "catch_up", namespace=journald.name, channel="BENCH", rounds=lab.rounds)
    if numbers["delivered"] != [count]:  # the journal keeps to a share of the disk
        raise RuntimeError(f"{numbers['delivered']} of {count} events came: is the disk too small?")
    followed, printed = numbers["followed"], numbers["printed"]
    text = (
        f"{median(followed) * 1000:.0f} ms; journalctl {median(printed) * 1000:.0f} ms; {entries:,} entries, of which"
    )
    yield at_most(PATH, LIMIT, ratios(followed, printed), 1.2, f"{text} {count:,} are events")
