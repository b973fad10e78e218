"""The tables of a soak, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.soak.effects import Effect
from tests.soak.histogram import Histogram
from tests.soak.tally import Tally

QUANTILES: Final = (0.5, 0.99, 0.999)
CUT: Final = "cut with their server"
AWAY: Final = "503, come back"
TIMES: Final = "p50 / p99 / p99.9 ms"


def routes(tallies: Mapping[str, Tally]) -> str:
    """By route: how many, what failed, how long it took without and with a fault."""
    head = ("route", "requests", "errors", CUT, AWAY, f"quiet: {TIMES}", f"faults: {TIMES}")
    rows = [
        (name, *_counts(tally), times(tally.quiet), times(tally.disturbed)) for name, tally in sorted(tallies.items())
    ]
    return markdown(head, [*rows, _sum(tallies.values())])


def faults(tallies: Mapping[str, Tally], seen: Mapping[str, int], seconds: Mapping[str, int]) -> str:
    """By fault: how often, how long, what failed meanwhile, how long raw routes took."""
    head = ("fault", "times", "seconds", "requests", "errors", CUT, AWAY, f"raw routes: {TIMES}")
    rows = []
    for name in sorted({"", *tallies, *seen}):
        tally = tallies.get(name, Tally())
        took = times(tally.disturbed if name else tally.quiet)
        often = [n(seen[name]), n(seconds[name])] if name in seen else ["", ""]
        rows.append([name or "none", *often, *_counts(tally), took])
    return markdown(head, rows)


def effects(found: Iterable[Effect]) -> str:
    """By effect: promised, found, lost, repeated."""
    head = ("effect", "expected", "found", "lost", "repeated")
    rows = [
        (
            one.name,
            n(one.expected),
            n(one.found),
            n(one.lost) + f" (of {n(one.may_lose)} in doubt)" * bool(0 < one.lost <= one.may_lose),
            n(one.repeated) + " (may be)" * one.may_repeat,
        )
        for one in found
    ]
    return markdown(head, rows)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def times(histogram: Histogram) -> str:
    """Milliseconds; "" of none."""
    return " / ".join(f"{histogram.quantile(share) * 1000:,.1f}" for share in QUANTILES) if histogram.count else ""


def n(number: int) -> str:
    """1,000,000"""
    return f"{number:,}"


def _sum(tallies: Iterable[Tally]) -> tuple[str, ...]:
    total = Tally()
    for tally in tallies:
        total.requests += tally.requests
        total.errors += tally.errors
        total.away += tally.away
        total.cut += tally.cut
        total.quiet.merge(tally.quiet)
        total.disturbed.merge(tally.disturbed)
    return "all", *_counts(total), times(total.quiet), times(total.disturbed)


def _counts(tally: Tally) -> list[str]:
    return [n(tally.requests), n(tally.errors), n(tally.cut), n(tally.away)]
