"""Which charts the page has, in three groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from notifications.admin.status import drawing
from notifications.admin.status.chart import Chart
from notifications.admin.status.figures import ALL, P50, P99, Figures
from notifications.admin.status.gauges import Gauges, Latest
from notifications.admin.status.lines import Line, busiest, by_label, of_routes, slowest
from notifications.admin.status.links import Links
from notifications.admin.status.marks import mark_texts, ticks
from notifications.admin.status.markup import time_axis
from notifications.admin.status.releases import marks
from notifications.admin.status.routes import Route
from notifications.admin.status.wording import milliseconds, seconds
from notifications.models import FailureGroup, Loss, Position, RawPayload, State

TIME: Final[dict[str, Any]] = {"words": milliseconds}
AGE: Final[dict[str, Any]] = {"words": seconds, "top": drawing.round_seconds}
SUMS: Final[dict[str, Any]] = {"sums": True}
BARS: Final[dict[str, Any]] = {"sums": True, "bars": True}


def without_data(charts: Sequence[Chart]) -> list[tuple[str, list[Chart]]]:
    """Those with nothing to draw, by what is said of them."""
    sentences = dict.fromkeys(chart.none for chart in charts if chart.is_empty)
    return [(text, [each for each in charts if each.is_empty and each.none == text]) for text in sentences]


@dataclass(frozen=True)
class Charts:
    """Makes them of what was counted. Each group is a generator of its charts."""

    figures: Figures
    links: Links
    routes: Sequence[Route] = ()
    gauges: Gauges | None = None

    def of_requests(self) -> Iterator[Chart]:
        """How many, how long they took, how many failed."""
        figures, each = self.figures, self.figures.window.period.each
        yield self._chart("requests", f"Requests {each}", [Line("", figures.counts("requests"))], **BARS)
        shares = (("p50", P50), ("p99", P99))
        both = [
            Line(name, figures.quantiles("requests", ALL, share), number=n) for n, (name, share) in enumerate(shares)
        ]
        yield self._chart("times", "Response time of all requests", both, **TIME)
        errors = [Line("", figures.counts("errors"), kind="line-bad")]
        yield self._chart("errors", f"Answers with an error (5xx) {each}", errors, **BARS)

    def of_routes(self) -> Iterator[Chart]:
        """The requests and response times of a few routes."""
        each = self.figures.window.period.each
        chosen = {"slowest": slowest(self.routes), "busiest": busiest(self.routes)}
        known = list(dict.fromkeys(chosen["slowest"] + chosen["busiest"]))
        requests = of_routes(chosen["busiest"], partial(self.figures.counts, "requests"), known)
        titles = {key: f"of the {key} routes" for key in chosen}
        if chosen["busiest"] == chosen["slowest"]:
            titles = {"slowest": "by route"}
        for key, title in titles.items():
            for name, share in (("p99", P99), ("p50", P50)):
                times = partial(self.figures.quantiles, "requests", share=share)
                drawn = of_routes(chosen[key], times, known)
                yield self._chart(f"{key}-{name}", f"Response time {title}, {name}", drawn, **TIME)
        yield self._chart("by-route", f"Requests {each} of the busiest routes", requests, **SUMS)

    def of_payloads(self) -> Iterator[Chart]:
        """What came in, what became of it, what waits."""
        figures, links, each = self.figures, self.links, self.figures.window.period.each
        payloads, failures = links.to(RawPayload), links.to(FailureGroup)
        received, more = by_label(figures.labels("received"), partial(figures.counts, "received"), self._source)
        options = {"href": payloads, "more": more, "at": self._until}
        yield self._chart("received", f"Payloads received {each}, by source", received, **options, **SUMS)
        handled = Line("handled", figures.counts("handled"))
        failed = Line("failed", figures.counts("failed"), failures, 1, "line-bad")
        yield self._chart("handled", f"Attempts {each}", [handled, failed], href=failures, **SUMS)
        waiting = links.to(RawPayload, state=State.RECEIVED)
        yield self._chart("waiting", "Payloads that wait", self._gauge("waiting"), href=waiting)
        oldest = self._gauge("oldest")
        yield self._chart("oldest", "How long the oldest has waited", oldest, href=waiting, **AGE)

    def of_events(self) -> Iterator[Chart]:
        """How far channels are behind, what they delivered, what was lost."""
        figures, links, each = self.figures, self.links, self.figures.window.period.each
        channels, losses = links.to(Position), links.to(Loss)
        labels = sorted({*figures.labels("lag"), *figures.labels("delivered")})
        behind, more = by_label(labels, partial(figures.highest, "lag"), latest=partial(self._latest, "lag"))
        yield self._chart("lag", "How far channels are behind", behind, href=channels, more=more, **AGE)
        sent, more = by_label(labels, partial(figures.counts, "delivered"))
        yield self._chart("delivered", f"Events delivered {each}", sent, href=channels, more=more, **SUMS)
        lost = [Line("", figures.counts("lost"), kind="line-bad")]
        yield self._chart("lost", f"Events lost {each}", lost, href=losses, **BARS)
        dropped = [Line("", figures.counts("dropped"), kind="line-bad")]
        yield self._chart("dropped", f"Events that emit() dropped {each}", dropped, **BARS)

    @cached_property
    def _time_axis(self) -> str:
        window = self.figures.window
        return time_axis(ticks(window), mark_texts(marks(self.figures), window.period.steps))

    def _chart(self, key: str, title: str, drawn: list[Line], **options: Any) -> Chart:
        figures = self.figures
        options |= {"time_axis": self._time_axis, "is_known": figures.counted.stop > 0}
        return Chart(key=key, title=title, window=figures.window, lines=drawn, **options)

    def _gauge(self, name: str) -> list[Line]:
        return [Line("", self.figures.highest(name), latest=self._latest(name))]

    def _latest(self, name: str, label: str = ALL) -> Latest | None:
        return self.gauges.latest(name, label) if self.gauges else None

    def _source(self, label: str) -> str:
        return self.links.to(RawPayload, source=label)

    def _until(self, slot: int) -> str:
        """Payloads up to the end of a slot: the list has those of the slot first."""
        window = self.figures.window
        return self.links.to(RawPayload, until=window.start(slot + 1).isoformat())
