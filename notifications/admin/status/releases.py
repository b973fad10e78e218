"""Releases: when each one came, and what it did to response times and errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.budget import Rate
from notifications.admin.status.figures import Figures
from notifications.admin.status.routes import Change, change
from notifications.utils import graphemes
from notifications.utils.durations import duration

#: Releases that the list shows, and routes that it names for each.
MOST: Final = 5
NAMED: Final = 3
LONGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """A release and the slot that it began in: below 0 in the period before."""

    name: str
    slot: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What one release did, in words. `all`: of all requests; `routes`: those that changed most, by name."""

    name: str
    began: str
    ago: str
    all: Change
    errors: str
    errors_before: str
    routes: list[tuple[str, Change]]


def marks(figures: Figures) -> list[Mark]:
    """Where releases began, in order of time.

    The first slot with any is where counting began, not where its release did.
    """
    firsts = {label: min(figures.points("releases", label)) for label in figures.labels("releases")}
    earliest = min(firsts.values(), default=0)
    is_whole = earliest > -figures.window.period.steps  # nothing was counted before
    found = [Mark(_shown(label), slot) for label, slot in firsts.items() if slot > earliest or is_whole]
    return sorted(found, key=lambda mark: (mark.slot, mark.name))


def _shown(label: str) -> str:
    return visible(graphemes.first(label, LONGEST, "…"))


def effects(figures: Figures) -> list[Effect]:
    """Of the last releases, the newest first. Each is compared with what was before it, up to the release before.

    The slot that it began in has both, and is left out. One before which nothing was counted is left out.
    """
    found = marks(figures)
    ends = [mark.slot for mark in found[1:]] + [figures.window.period.steps]
    starts = [-figures.window.period.steps, *(mark.slot + 1 for mark in found[:-1])]
    parts = zip(found, starts, ends, strict=True) if found else ()
    all_effects = [
        _effect(figures, mark, range(start, mark.slot), range(mark.slot + 1, end))
        for mark, start, end in parts
        if figures.total("requests", slots=range(start, mark.slot)).count
    ]
    return all_effects[-MOST:][::-1]


def _effect(figures: Figures, mark: Mark, before: range, after: range) -> Effect:
    was, now = figures.total("requests", slots=before), figures.total("requests", slots=after)
    window = figures.window
    start = window.start(mark.slot)
    return Effect(
        name=mark.name,
        began=window.name_of(start),
        ago=duration((window.now - start).total_seconds()),
        all=change(was, now),
        errors=Rate("", now.count, figures.total("errors", slots=after).count).words,
        errors_before=Rate("", was.count, figures.total("errors", slots=before).count).words,
        routes=list(_changed_routes(figures, before, after))[:NAMED],
    )


def _changed_routes(figures: Figures, before: range, after: range) -> Iterator[tuple[str, Change]]:
    """Those that became slower first, then those that became faster; each the busiest first."""
    found = []
    for label in figures.labels("requests"):
        now = figures.total("requests", label, after)
        if now.count:
            found.append((now.count, label, change(figures.total("requests", label, before), now)))
    for kind in ("worse", "better"):
        changed = sorted((each for each in found if each[2].kind == kind), key=lambda each: -each[0])
        yield from ((visible(label), words) for _, label, words in changed)
