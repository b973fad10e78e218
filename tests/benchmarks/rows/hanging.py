"""Five channels, one of which hangs."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.journal import events, fill
from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import ratios
from tests.benchmarks.table import Row, at_most, unmeasured

PATH: Final = "four channels beside one that hangs"
FOUR: Final = ("A", "B", "C", "D")
HANGS: Final = "HANGING"
EVENTS: Final = 1000


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield unmeasured(PATH, why)
        return
    count = lab.count(EVENTS)
    journald = lab.journald()
    for name in (*FOUR, HANGS):
        fill(journald.name, events(name, count))
    site = lab.site(JOURNAL_URL=journald.url, DJANGO_SETTINGS_MODULE="tests.benchmarks.hanging_settings")
    numbers = lab.inside(site, "hanging", names=FOUR, hangs=HANGS, events=count, rounds=lab.rounds)
    without, beside = numbers["without"], numbers["beside"]
    text = f"{median(beside):.2f} s; without it {median(without):.2f} s; {count:,} events for each, with a commit each"
    yield at_most(PATH, "the same four without it", ratios(beside, without), 1.1, text)
