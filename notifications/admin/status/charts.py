"""Which charts the page has, in three groups."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from notifications.admin.status import drawing, lines
from notifications.admin.status.chart import Chart
from notifications.admin.status.figures import P50, P99, Figures
from notifications.admin.status.links import Links
from notifications.admin.status.lines import Line
from notifications.admin.status.releases import marks
from notifications.admin.status.routes import Route
from notifications.admin.status.wording import milliseconds, seconds
from notifications.models import FailureGroup, Loss, Position, RawPayload, State

TIME: Final[dict[str, Any]] = {"words": milliseconds}
AGE: Final[dict[str, Any]] = {"words": seconds, "top": drawing.round_seconds}
SUMS: Final[dict[str, Any]] = {"sums": True}
BARS: Final[dict[str, Any]] = {"sums": True, "bars": True}


@dataclass(frozen=True, slots=True)
class Charts:
    """Makes them of what was counted. Each group is a generator of its charts."""

    figures: Figures
    links: Links
    routes: list[Route]

    def of_requests(self) -> Iterator[Chart]:
        """How many, how many failed, how long they took: all together, then by route."""
        figures, each = self.figures, self.figures.window.period.each
        yield self._chart("requests", f"Requests a {each}", [Line("", figures.counts("requests"))], **BARS)
        errors = [Line("", figures.counts("errors"), kind="line-bad")]
        yield self._chart("errors", f"Answers with an error (5xx) a {each}", errors, **BARS)
        both = [Line(name, figures.quantiles("requests", "", share)) for name, share in (("p50", P50), ("p99", P99))]
        yield self._chart("times", "Response time of all requests", both, **TIME)

    def of_routes(self) -> Iterator[Chart]:
        """The response times of a few routes."""
        chosen = {"busiest": lines.busiest(self.routes), "slowest": lines.slowest(self.routes)}
        if chosen["busiest"] == chosen["slowest"]:
            chosen = {"only": chosen["busiest"]}
        for key, labels in chosen.items():
            which = "by route" if key == "only" else f"of the {len(labels)} {key} routes"
            for name, share in (("p99", P99), ("p50", P50)):
                drawn = lines.of_routes(self.figures, labels, share)
                yield self._chart(f"{key}-{name}", f"Response time {which}, {name}", drawn, **TIME)

    def of_payloads(self) -> Iterator[Chart]:
        """What came in, what became of it, what waits."""
        figures, links, each = self.figures, self.links, self.figures.window.period.each
        payloads, failures = links.to(RawPayload), links.to(FailureGroup)
        received, more = lines.by_label(figures, "received", figures.counts, self._source)
        options = {"href": payloads, "more": more, "at": self._until}
        yield self._chart("received", f"Payloads received a {each}, by source", received, **options, **SUMS)
        ends = [
            Line("handled", figures.counts("handled")),
            Line("failed", figures.counts("failed"), failures, "line-bad"),
        ]
        yield self._chart("handled", f"Attempts a {each}", ends, href=failures, **SUMS)
        waiting = links.to(RawPayload, state=State.RECEIVED)
        most = [Line("", figures.highest("waiting"))]
        yield self._chart("waiting", "Payloads that wait", most, href=waiting)
        oldest = [Line("", figures.highest("oldest"))]
        yield self._chart("oldest", "How long the oldest has waited", oldest, href=waiting, **AGE)

    def of_events(self) -> Iterator[Chart]:
        """How far channels are behind, what they delivered, what was lost."""
        figures, links, each = self.figures, self.links, self.figures.window.period.each
        channels, losses = links.to(Position), links.to(Loss)
        behind, more = lines.by_label(figures, "lag", figures.highest, _nowhere)
        yield self._chart("lag", "How far channels are behind", behind, href=channels, more=more, **AGE)
        sent, more = lines.by_label(figures, "delivered", figures.counts, _nowhere)
        yield self._chart("delivered", f"Events delivered a {each}", sent, href=channels, more=more, **SUMS)
        lost = [Line("", figures.counts("lost"), kind="line-bad")]
        yield self._chart("lost", f"Events lost a {each}", lost, href=losses, **BARS)
        dropped = [Line("", figures.counts("dropped"), kind="line-bad")]
        yield self._chart("dropped", f"Events that emit() dropped a {each}", dropped, **BARS)

    def _chart(self, key: str, title: str, drawn: list[Line], **options: Any) -> Chart:
        window = self.figures.window
        return Chart(key=key, title=title, window=window, lines=drawn, marks=marks(self.figures), **options)

    def _source(self, label: str) -> str:
        return self.links.to(RawPayload, source=label)

    def _until(self, slot: int) -> str:
        """Payloads up to the end of a slot: the list has those of the slot first."""
        window = self.figures.window
        return self.links.to(RawPayload, until=window.start(slot + 1).isoformat())


def _nowhere(_: str) -> str:
    return ""


#: Each group: its title, and what makes its charts.
GROUPS: Final[tuple[tuple[str, Callable[[Charts], Iterator[Chart]]], ...]] = (
    ("Requests", Charts.of_requests),
    ("Payloads", Charts.of_payloads),
    ("Events", Charts.of_events),
)
