"""The steps in the life of a payload, and the events that were emitted in each."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifications.admin.lists.cells import first_line
from notifications.events.event import Event
from notifications.utils.durations import span


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened from `at` on, for `took` seconds (None: nobody knows). All texts are fit to be seen.

    `kind`: "intake", "attempt", "failed" or "person". `group`: the address of its failure group, or "". `events`: those
    that were emitted in it, with how long after the payload came.
    """

    at: datetime
    what: str
    kind: str
    who: str = ""
    took: float | None = None
    group: str = ""
    traceback: str = ""
    log: str = ""
    events: tuple[tuple[str, str], ...] = ()


def with_events(steps: Sequence[Step], events: Iterable[Event]) -> list[Step]:
    """Each event in the attempt that emitted it, as far as the times tell."""
    received, times = steps[0].at, [step.at for step in steps[1:]]
    emitted: dict[int, list[tuple[str, str]]] = {}
    for event in events:
        place = _attempt_at(steps, bisect_right(times, event.time))
        shown = f"+{span(seconds_after(received, event.time))}", f"{event.name}: {first_line(event.text)}"
        emitted.setdefault(place, []).append(shown)
    return [replace(step, events=tuple(emitted.get(place, ()))) for place, step in enumerate(steps)]


def _attempt_at(steps: Sequence[Step], place: int) -> int:
    """The place of the attempt that goes on at this step; 0 if there is none.

    That of a first success is known by its end alone: it is behind the step that it followed.
    """
    is_attempt = [step.kind in {"attempt", "failed"} for step in steps]
    if is_attempt[place]:
        return place
    behind, before = range(place + 1, len(steps)), range(place - 1, 0, -1)
    return next((each for each in (*behind, *before) if is_attempt[each]), 0)


def seconds_after(start: datetime, at: datetime) -> float:
    """Seconds. Never negative: clocks of two machines differ."""
    return max(0.0, (at - start) / timedelta(seconds=1))
