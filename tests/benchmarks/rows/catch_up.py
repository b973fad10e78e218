"""Followers that catch up with a journal into which others write more."""

from collections.abc import Iterator, Sequence
from typing import Final

from tests.benchmarks.journal import fill, mixed
from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, at_most, reported, unmeasured
from tests.support.journald import JournaldNamespace
from tests.support.processes import Site

PATH: Final = "catching up with a mixed journal"
COLD: Final = f"{PATH}, none of it in memory"
ALL: Final = f"{PATH}, all channels and the accountant, which pauses"
LIMIT: Final = "`journalctl SYSLOG_IDENTIFIER=proppy` to /dev/null"
ENTRIES: Final = 1_000_000
EVENTS: Final = 1_000


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield from (unmeasured(path, why) for path in (PATH, COLD, ALL))
        return
    entries, count = lab.count(ENTRIES), lab.count(EVENTS)
    behind = f"{entries:,} entries, of which {count:,} are events"
    with lab.journald() as journald:
        fill(journald.name, mixed("BENCH", count, entries))
        site = lab.site(JOURNAL_URL=journald.url, TEXT_JOURNAL_URL=lab.journald().url)
        ratio, text = _measure(lab, site, journald, ["BENCH"], count)
        yield at_most(PATH, LIMIT, ratio, 1.2, f"{text}; {behind}")
        yield reported(COLD, LIMIT, *_measure(lab, site, journald, ["BENCH"], count, cold=True))
        yield reported(ALL, LIMIT, *_measure(lab, site, journald, [], count))


def _measure(
    lab: Lab, site: Site, journald: JournaldNamespace, channels: Sequence[str], count: int, *, cold: bool = False
) -> tuple[float, str]:
    """The ratio of the medians, and the numbers behind it."""
    files = [str(path) for path in journald.files] if cold else []
    numbers = lab.inside(site, "catch_up", namespace=journald.name, channels=channels, rounds=lab.rounds(9), cold=files)
    if numbers["delivered"] != count:  # the journal keeps to a share of the disk
        raise RuntimeError(f"{numbers['delivered']:.0f} of {count} events came: is the disk too small?")
    followed, printed = numbers["followed"], numbers["printed"]
    return followed / printed, f"{followed * 1000:.0f} ms; journalctl {printed * 1000:.0f} ms"
