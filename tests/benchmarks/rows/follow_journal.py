"""`follow_journal` into a channel that does nothing."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import ratios
from tests.benchmarks.table import Row, at_least, unmeasured

PATH: Final = "`follow_journal` into an empty channel"
ENTRIES: Final = 100_000


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield unmeasured(PATH, why)
        return
    journald = lab.journald()
    site = lab.site(JOURNAL_URL=journald.url)
    entries = lab.count(ENTRIES)
    numbers = lab.inside(site, "follow_journal", namespace=journald.name, entries=entries, rounds=lab.rounds)
    followed, printed = numbers["followed"], numbers["journalctl"]
    text = f"{median(followed):,.0f} entries a second; journalctl {median(printed):,.0f}; {entries:,} entries"
    limit = "`journalctl -o json --output-fields=…` to /dev/null"
    yield at_least(PATH, limit, ratios(followed, printed), 0.5, text)
