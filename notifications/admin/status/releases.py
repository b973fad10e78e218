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
    """What one release did, or several that came together, in words.

    `all`: of all requests; `routes`: those that changed most, by name.
    """

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

    The slot that it began in has both, and is left out. Releases without a whole slot between them are compared as one.
    One before which nothing was counted is left out.
    """
    found = _together(marks(figures))
    ends = [first.slot for first, *_ in found[1:]] + [figures.window.period.steps]
    starts = [-figures.window.period.steps, *(each[-1].slot + 1 for each in found[:-1])]
    parts = zip(found, starts, ends, strict=True) if found else ()
    all_effects = [
        _effect(figures, each, range(start, each[0].slot), range(each[-1].slot + 1, end))
        for each, start, end in parts
        if figures.total("requests", slots=range(start, each[0].slot)).count
    ]
    return all_effects[-MOST:][::-1]


def _together(found: list[Mark]) -> list[list[Mark]]:
    """Those that began in the same slot or in the next one, in one list."""
    together: list[list[Mark]] = []
    for mark in found:
        if together and mark.slot <= together[-1][-1].slot + 1:
            together[-1].append(mark)
        else:
            together.append([mark])
    return together


def _effect(figures: Figures, together: list[Mark], before: range, after: range) -> Effect:
    was, now = figures.total("requests", slots=before), figures.total("requests", slots=after)
    window = figures.window
    start = window.start(together[0].slot)
    return Effect(
        name=_names([mark.name for mark in together]),
        began=window.name_of(start),
        ago=duration((window.now - start).total_seconds()),
        all=change(was, now),
        errors=Rate("", now.count, figures.total("errors", slots=after).count).words,
        errors_before=Rate("", was.count, figures.total("errors", slots=before).count).words,
        routes=list(_changed_routes(figures, before, after))[:NAMED],
    )


def _names(names: list[str]) -> str:
    *others, last = names
    before = ", ".join(others) if len(others) < NAMED else f"{len(others)} releases"
    return f"{before} and {last}" if others else last


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
