"""Gauges: what the last minute had, or since when nobody measures it."""

from datetime import datetime
from typing import Final, NamedTuple

from django.utils import timezone
from django.utils.formats import date_format

from notifications.admin.status.figures import ALL, HIGHEST, LATE, RELEASES, Figures
from notifications.admin.status.periods import CLOCK, DATE

#: Gauges, and why nobody measures one while other things are counted.
WHY: Final = {
    "waiting": "no process_raw runs",
    "oldest": "no process_raw runs",
    "lag": "no follow_journal reads for it",
}


class Latest(NamedTuple):
    """The highest of the last minute with a sample; None if samples have stopped. `stopped` says so, or is ""."""

    value: float | None = None
    stopped: str = ""


class Gauges:
    """The `minutes` of the last hour, beside the figures that are `shown`."""

    def __init__(self, shown: Figures, minutes: Figures) -> None:
        self._shown, self._minutes = shown, minutes

    def latest(self, name: str, label: str = ALL) -> Latest:
        """Of one line."""
        now = self._shown.window.now
        points = self._minutes.points(name, label)
        end = _end(self._minutes, name, label) or _end(self._shown, name, label)
        if end is None:
            return Latest()
        if points and now - end <= LATE:
            return Latest(points[max(points)][HIGHEST])
        if end > now - LATE:  # the slot that runs has older samples
            end = self._minutes.window.since
        others = _end(self._minutes, RELEASES)
        why = f": {WHY[name]}" if others is not None and now - others <= LATE else ""  # else nothing at all is counted
        return Latest(stopped=f"not measured since {_clock(end, now)}{why}")


def _end(figures: Figures, name: str, label: str = ALL) -> datetime | None:
    """Of the last slot with a point."""
    points = figures.points(name, label)
    return figures.window.start(max(points) + 1) if points else None


def _clock(moment: datetime, now: datetime) -> str:
    """With the date if it is not that of `now`."""
    local = timezone.localtime(moment)
    return date_format(local, CLOCK if local.date() == timezone.localdate(now) else f"{DATE}, {CLOCK}")
