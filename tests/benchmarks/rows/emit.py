"""`emit()`: to a journald that runs, and to one that is stopped."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import ratios
from tests.benchmarks.table import Row, at_most, unmeasured

PATH: Final = "`emit()`, 0.5 ms between calls"
LIMIT: Final = "one bare `sendto` of the same bytes to the same journald, 0.5 ms between calls"
STOPPED: Final = "`emit()`, journald stopped"
CALLS: Final = 800
#: More events than the queue of 8 MiB takes.
OVERFLOW: Final = 80_000
P999_US: Final = 1000
#: Bytes by which the process may grow once its queue is full: none, but an allocator is no accountant.
GROWTH: Final = 1024 * 1024
MIB: Final = 1024 * 1024


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald"):
        yield from (unmeasured(path, why) for path in (PATH, STOPPED))
        return
    journald = lab.journald(start=False)
    site = lab.site(JOURNAL_URL=journald.url)
    counts = {"rounds": lab.rounds, "calls": lab.count(CALLS), "overflow": lab.count(OVERFLOW)}
    numbers = lab.inside(site, "emit", namespace=journald.name, **counts)
    yield _running(**numbers)
    yield _stopped(**numbers)


def _running(*, emit: Sequence[float], sendto: Sequence[float], size: int, **_: float) -> Row:
    text = f"{median(emit):.1f} µs; sendto {median(sendto):.1f} µs; {size} bytes"
    return at_most(PATH, LIMIT, ratios(emit, sendto), 1.6, text)


def _stopped(
    *,
    emit: Sequence[float],
    stopped: float,
    stopped_p999: float,
    stopped_worst: float,
    queued: float,
    grown: float,
    grown_when_full: float,
    **_: float,
) -> Row:
    ratio = stopped / median(emit)
    bounded = grown_when_full <= GROWTH
    text = (
        f"median {stopped:.1f} µs, p99.9 {stopped_p999:.0f} µs, worst {stopped_worst / 1000:.1f} ms; "
        f"{queued:,.0f} events queued, the process {grown / MIB:.0f} MiB larger; "
        f"{grown_when_full / MIB:.1f} MiB more after as many events again"
    )
    reached = ratio <= 1.5 and stopped_p999 < P999_US and bounded
    reach = "<= 1.5 x, p99.9 < 1 ms, memory bounded"
    return Row(STOPPED, "`emit()` normally", reach, f"{ratio:.3g} x", (reached,), text)
