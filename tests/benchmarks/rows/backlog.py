"""What a capture costs while `process_raw` works off a backlog, or handles payloads again: they share the database."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from tests.benchmarks.lab import Lab, on_core
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, at_most, reported, unmeasured
from tests.support.child import Process
from tests.support.processes import Site

Numbers = dict[str, float]

BACKLOG: Final = 100_000
#: Seconds; less than the backlog lasts.
SECONDS: Final = 8.0
ROUNDS: Final = 3
DATABASES: Final = ("SQLite NORMAL", "PostgreSQL")
PATHS: Final = {database: f"p99 of a capture while a backlog is worked off, {database}" for database in DATABASES}
REPLAYED: Final = {database: f"p99 of a capture while `replay_raw` runs, {database}" for database in DATABASES}
LIMIT: Final = "the same with an idle worker"
REPLAY: Final = (sys.executable, "manage.py", "replay_raw", "--source", "bench", "--state", "done", "--restart")


def rows(lab: Lab) -> Iterator[Row]:
    yield from _measure(lab, lab.site(), "SQLite NORMAL", 2)
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        yield unmeasured(REPLAYED["PostgreSQL"], why)
        return
    yield from _measure(lab, lab.site(DATABASE_URL=lab.database()), "PostgreSQL", 1.5)


def _measure(lab: Lab, site: Site, database: str, bound: float) -> Iterator[Row]:
    """The ratios of the medians of all rounds."""
    with on_core(0):
        site.start("web")
    idle, busy, replayed = [], [], []
    for _ in range(lab.rounds(ROUNDS)):
        idle.append(_post(lab, site, 0))
        busy.append(_post(lab, site, lab.count(BACKLOG)))
        replayed.append(_post(lab, site, lab.count(BACKLOG), replay=True))
    site.terminate("web")
    yield at_most(PATHS[database], LIMIT, _median(busy, "p99") / _median(idle, "p99"), bound, _text(idle, busy))
    again = _median(replayed, "p99") / _median(idle, "p99")
    yield reported(REPLAYED[database], LIMIT, again, _replay_text(idle, replayed))


def _post(lab: Lab, site: Site, backlog: int, *, replay: bool = False) -> Numbers:
    lab.inside(site, "backlog", backlog=backlog, state="done" if replay else "received")
    since = time.time()
    with ExitStack() as stack, on_core(1):
        site.start("process_raw")
        stack.callback(site.terminate, "process_raw")
        if replay:
            stack.callback(Process(REPLAY, env=site.env, log=site.folder / "replay_raw.log").kill)
        with on_core(0):
            return lab.inside(site, "backlog", port=site.port, seconds=lab.seconds(SECONDS), since=since)


def _text(idle: list[Numbers], busy: list[Numbers]) -> str:
    left = _median(busy, "left")
    rate = "100 requests a second"
    return f"backlog {_middle(busy)}; idle {_middle(idle)}; {rate}; {left:,.0f} left at the end, of {BACKLOG:,}"


def _replay_text(idle: list[Numbers], replayed: list[Numbers]) -> str:
    handled = _median(replayed, "handled")
    pace = f"{handled:,.0f} of {BACKLOG:,} handled again meanwhile, at the default rate"
    return f"replay {_middle(replayed)}; idle {_middle(idle)}; 100 requests a second; {pace}"


def _median(rounds: list[Numbers], name: str) -> float:
    return statistics.median(numbers[name] for numbers in rounds)


def _middle(rounds: list[Numbers]) -> str:
    median, p99, worst = (_median(rounds, name) for name in ("median", "p99", "worst"))
    return f"p99 {p99:.2f} ms (median {median:.2f}, worst {worst:.1f})"
