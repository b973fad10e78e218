"""Each route in this period beside the period before: which one is slow, and whether that is new."""

from dataclasses import dataclass
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.figures import P50, P99, Figures, Total
from notifications.admin.status.wording import NONE, count, milliseconds, optional

#: Fewer requests say nothing about the slowest in a hundred.
FEW: Final = 100
#: Within so much it is the same: buckets are not exact, nor are days alike.
SAME: Final = 1.3
SAME_MS: Final = 10.0
TWICE: Final = (1.8, 2.2)
#: Routes that the table shows; the others are folded.
SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a time. `kind`: "worse", "better" or "" where it is the same, or not `is_known`.

    `before` and `now` are the times, or "–".
    """

    words: str
    kind: str = ""
    before: str = NONE
    now: str = NONE
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table; `p99_ms` sorts it."""

    label: str
    requests: int
    errors: int
    p50: str
    p99_ms: float
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
    words, kind = _change(was, now, before.count, after.count)
    is_known = was is not None and min(before.count, after.count) >= FEW
    return Change(words, kind, optional(milliseconds, was), optional(milliseconds, now), is_known)


def _change(was: float | None, now: float | None, count_before: int, count_after: int) -> tuple[str, str]:
    if now is None or count_after < FEW:
        return "too few to say", ""
    if was is None:
        return "new", ""
    if count_before < FEW:
        return "too few before", ""
    ratio = now / was
    if abs(now - was) < SAME_MS or 1 / SAME < ratio < SAME:
        return "about the same", ""
    if ratio < 1:
        return _words(1 / ratio, "fast", "faster", 1 - ratio), "better"
    return _words(ratio, "slow", "slower", ratio - 1), "worse"


def _words(ratio: float, how: str, more: str, part: float) -> str:
    if ratio < TWICE[0]:
        return f"{part * 100:.0f} % {more}"
    if ratio < TWICE[1]:
        return f"twice as {how}"
    return f"{ratio:.0f} times as {how}" if ratio >= 2.5 else f"{ratio:.1f} times as {how}"


def routes(figures: Figures) -> list[Route]:
    """The slowest first; those with few requests last. `changed_first` has another order."""
    before = range(-figures.window.period.steps, 0)
    found = [_route(figures, label, before) for label in figures.labels("requests")]
    return sorted(
        (route for route in found if route.requests), key=lambda each: (not each.is_sure, -each.p99_ms, each.label)
    )


def changed_first(found: list[Route]) -> list[Route]:
    """Those that became slower, those that became faster, the others; each in the order that they are in."""
    return sorted(found, key=lambda each: ("worse", "better", "").index(each.change.kind))


def _route(figures: Figures, label: str, slots_before: range) -> Route:
    now, before = figures.total("requests", label), figures.total("requests", label, slots_before)
    return Route(
        label=label,
        requests=now.count,
        errors=figures.total("errors", label).count,
        p50=optional(milliseconds, now.quantile(P50)),
        p99_ms=now.quantile(P99) or 0.0,
        change=change(before, now),
    )
