"""From `keep()` to the start of the handler, for a worker that has nothing else to do; what workers take meanwhile."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.process import children, cpu_percent
from tests.benchmarks.table import Row, at_most, spread, unmeasured
from tests.support.wait import wait_for

PATH: Final = "enqueue to start, idle, SQLite NORMAL"
FOLLOWER: Final = "`follow_journal`, idle, seven channels"
LATENCY_MS: Final = 2.0
CORE_PERCENT: Final = 0.5
#: Seconds of a round in which what is idle is watched, and payloads of a round.
WATCHED: Final = 4.0
PAYLOADS: Final = 15


def rows(lab: Lab) -> Iterator[Row]:
    yield _worker(lab)
    if why := lacks("root", "journald"):
        yield unmeasured(FOLLOWER, why)
        return
    for journals in (1, 2):
        yield _follower(lab, journals)


def _worker(lab: Lab) -> Row:
    site = lab.site()
    worker = site.start("process_raw")
    lab.inside(site, "idle", payloads=1)  # it has started when this one has
    percents, medians, worst = [], [], 0.0
    for _ in range(lab.rounds):
        percents.append(cpu_percent(worker.pid, seconds=lab.seconds(WATCHED)))
        numbers = lab.inside(site, "idle", payloads=lab.count(PAYLOADS))
        medians.append(numbers["median"])
        worst = max(worst, numbers["worst"])
    site.terminate("process_raw")
    text = f"worst {worst:.1f} ms, from the call of `keep()`; the idle worker takes {spread(percents, '% of a core')}"
    met = tuple(ms <= LATENCY_MS and used <= CORE_PERCENT for ms, used in zip(medians, percents, strict=True))
    return Row(
        PATH, "", f"median <= {LATENCY_MS:g} ms, <= {CORE_PERCENT} % of a core", spread(medians, "ms"), met, text
    )


def _follower(lab: Lab, journals: int) -> Row:
    """`journals`: whether plain lines come from the events' journal, or from a second one, as deployed."""
    with lab.journald() as journald, lab.journald() as lines:
        own = {"JOURNAL_URL": journald.url, "TEXT_JOURNAL_URL": (journald if journals == 1 else lines).url}
        site = lab.site(DJANGO_SETTINGS_MODULE="tests.benchmarks.seven_settings", **own)
        pid = site.start("follow_journal").pid
        wait_for(
            lambda: len(children(pid)) == journals and cpu_percent(pid, seconds=2) < 2, timeout=60, message="it rests"
        )
        seconds = lab.seconds(WATCHED)
        percents = [cpu_percent(pid, *children(pid), seconds=seconds) for _ in range(lab.rounds)]
        readers = len(children(pid))
        site.terminate("follow_journal")
    text = f"{1 + readers} processes: beside it {readers} journalctl, whose CPU time is included"
    row = at_most(f"{FOLLOWER}, {journals} journald", "", percents, CORE_PERCENT, text, "% of a core")
    met = tuple(each and readers == journals for each in row.rounds)
    return Row(row.path, "", f"{row.reach}, {1 + journals} processes", row.measured, met, row.numbers)
