"""Each route in this period beside the period before: which one is slow, and whether that is new."""

from dataclasses import dataclass
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.figures import P50, P99, Figures, Total
from notifications.admin.status.wording import count, milliseconds, optional

#: Fewer requests say nothing about the slowest in a hundred.
FEW: Final = 20
#: Within so much it is the same: buckets are not exact, nor are days alike.
SAME: Final = 1.2
TWICE: Final = (1.8, 2.2)
#: Routes that the table shows; the others are folded.
SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a time. `kind`: "worse", "better" or "" where it is the same, or unknown."""

    words: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table; `p99_ms` sorts it."""

    label: str
    requests: int
    errors: int
    p50: str
    p99: str
    p99_ms: float
    before: str
    change: Change

    @property
    def name(self) -> str:
        """Fit to be seen."""
        return visible(self.label)

    @property
    def counted(self) -> str:
        """Its requests."""
        return count(self.requests)

    @property
    def failed(self) -> str:
        """Its errors."""
        return count(self.errors)

    @property
    def is_sure(self) -> bool:
        """Whether it had enough requests."""
        return self.requests >= FEW


def change(before: Total, after: Total, share: float = P99) -> Change:
    """From one time to the next, in words."""
    was, now = before.quantile(share), after.quantile(share)
    if now is None or after.count < FEW:
        return Change("too few to say")
    if was is None or not before.count:
        return Change("new")
    if before.count < FEW:
        return Change("too few before")
    return _change(now / max(was, 0.001))


def _change(ratio: float) -> Change:
    if ratio < 1:
        return Change(_words(1 / ratio, "fast", "faster", 1 - ratio), "better" if 1 / ratio >= SAME else "")
    return Change(_words(ratio, "slow", "slower", ratio - 1), "worse" if ratio >= SAME else "")


def _words(ratio: float, how: str, more: str, part: float) -> str:
    if ratio < SAME:
        return "about the same"
    if ratio < TWICE[0]:
        return f"{part * 100:.0f} % {more}"
    if ratio < TWICE[1]:
        return f"twice as {how}"
    return f"{ratio:.0f} times as {how}" if ratio >= 2.5 else f"{ratio:.1f} times as {how}"


def routes(figures: Figures) -> list[Route]:
    """The slowest first; those with few requests last."""
    before = range(-figures.window.period.steps, 0)
    found = [_route(figures, label, before) for label in figures.labels("requests")]
    return sorted(
        (route for route in found if route.requests), key=lambda each: (not each.is_sure, -each.p99_ms, each.label)
    )


def _route(figures: Figures, label: str, slots_before: range) -> Route:
    now, before = figures.total("requests", label), figures.total("requests", label, slots_before)
    p99 = now.quantile(P99)
    return Route(
        label=label,
        requests=now.count,
        errors=figures.total("errors", label).count,
        p50=optional(milliseconds, now.quantile(P50)),
        p99=optional(milliseconds, p99),
        p99_ms=p99 or 0.0,
        before=optional(milliseconds, before.quantile(P99)),
        change=change(before, now),
    )
