"""Releases: when each one came, and what it did to response times and errors."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format

from notifications.admin.lists.body_view import visible
from notifications.admin.status.budget import Rate
from notifications.admin.status.figures import Figures
from notifications.admin.status.periods import CLOCK, DATE
from notifications.admin.status.release_words import did
from notifications.admin.status.routes import Change, change
from notifications.utils import graphemes
from notifications.utils.durations import duration

#: Releases that the list shows, and routes that it names for each.
MOST: Final = 5
NAMED: Final = 3
LONGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """A release and the slot that it began in: below 0 in the period before. `label`: its name as it was counted."""

    name: str
    slot: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one release did, or several that came together, in words.

    `did` says it in a sentence. `all`: of all requests; `routes`: those that changed most, by name.
    """

    name: str
    began: str
    ago: str
    did: str
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
    found = [Mark(_shown(label), slot, label) for label, slot in firsts.items() if slot > earliest or is_whole]
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
    known = [part for part in parts if figures.total("requests", slots=range(part[1], part[0][0].slot)).count]
    chosen = known[-MOST:][::-1]
    return [
        _effect(figures, each, range(start, each[0].slot), range(each[-1].slot + 1, end)) for each, start, end in chosen
    ]


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
    minute = figures.first_minutes.get(together[0].label)
    start = minute or window.start(together[0].slot)
    changes = _changes(figures, before, after)
    return Effect(
        name=_names([mark.name for mark in together]),
        began=_minute_name(minute) if minute else window.name_of(start),
        ago=duration((window.now - start).total_seconds()),
        did=did({name: found for name, found in changes if found.is_known}),
        all=change(was, now),
        errors=Rate("", now.count, figures.total("errors", slots=after).count).words,
        errors_before=Rate("", was.count, figures.total("errors", slots=before).count).words,
        routes=_most_changed(changes)[:NAMED],
    )


def _minute_name(minute: datetime) -> str:
    """ "29 Nov, 15:45", in the current time zone."""
    return date_format(timezone.localtime(minute), f"{DATE}, {CLOCK}")


def _names(names: list[str]) -> str:
    *others, last = names
    before = ", ".join(others) if len(others) < NAMED else f"{len(others)} releases"
    return f"{before} and {last}" if others else last


def _changes(figures: Figures, before: range, after: range) -> list[tuple[str, Change]]:
    """What became of each route, the busiest first."""
    totals = [(label, figures.total("requests", label, after)) for label in figures.labels("requests")]
    asked = sorted((each for each in totals if each[1].count), key=lambda each: (-each[1].count, each[0]))
    return [(visible(label), change(figures.total("requests", label, before), now)) for label, now in asked]


def _most_changed(changes: list[tuple[str, Change]]) -> list[tuple[str, Change]]:
    """Those that became slower first, then those that became faster."""
    return [each for kind in ("worse", "better") for each in changes if each[1].kind == kind]
