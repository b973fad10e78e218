"""The periods that the page shows, each in as many equal steps as its charts have points."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format

from notifications.models.series import Step

#: As people write times on an axis, and beside it.
CLOCK: Final = "H:i"
DATE: Final = "j M"


@dataclass(frozen=True, slots=True)
class Period:
    """One choice of `?period=`. `each`: what a point covers. `shows_running`: its last step is the one that runs, and
    `running` names it.

    A minute is soon over, and is counted late. Of an hour or a day people want to see what there is so far.
    """

    key: str
    title: str
    step: Step
    steps: int
    each: str
    before: str
    shows_running: bool = True
    running: str = ""

    @property
    def span(self) -> timedelta:
        """How long it is."""
        return timedelta(seconds=self.step) * self.steps


PERIODS: Final = {
    each.key: each
    for each in (
        Period("hour", "Last hour", Step.MINUTE, 60, "a minute", "the hour before", shows_running=False),
        Period("day", "Last 24 hours", Step.HOUR, 24, "an hour", "the 24 hours before", running="this hour"),
        Period("month", "Last 30 days", Step.DAY, 30, "a day", "the 30 days before", running="today"),
    )
}
#: It has the releases of today and of yesterday.
DEFAULT: Final = PERIODS["day"]


class Window:
    """A period that ends now: `steps` slots, numbered from 0. Slots below 0 are of the period before."""

    def __init__(self, period: Period, now: datetime) -> None:
        self.period, self.now = period, now
        self.step = timedelta(seconds=period.step)
        self.until = period.step.start_of(now) + self.step * period.shows_running
        self.since = self.until - period.span
        #: Where the period before begins.
        self.before = self.since - period.span

    def slot(self, start: datetime) -> int:
        """The number of the slot that starts then."""
        return (start - self.since) // self.step

    def start(self, slot: int) -> datetime:
        """When a slot starts, in UTC."""
        return self.since + self.step * slot

    @cached_property
    def local_starts(self) -> list[datetime]:
        """When each slot starts, in the current time zone. A day is one of UTC, and has its date there."""
        starts = (self.start(slot) for slot in range(self.period.steps))
        return list(starts) if self.period.step is Step.DAY else [timezone.localtime(each) for each in starts]

    @cached_property
    def names(self) -> list[str]:
        """Each slot's time for people: "14:05", "29 Nov, 14:00", "29 Nov"."""
        if self.period.step is Step.MINUTE:  # alike in all languages, and date_format takes twenty times as long
            return [f"{each:%H:%M}" for each in self.local_starts]
        return [date_format(each, self._format) for each in self.local_starts]

    def name_of(self, moment: datetime) -> str:
        """A time in the words of the slots."""
        local = moment if self.period.step is Step.DAY else timezone.localtime(moment)
        return date_format(local, self._format)

    @property
    def _format(self) -> str:
        return {Step.MINUTE: CLOCK, Step.HOUR: f"{DATE}, {CLOCK}"}.get(self.period.step, DATE)

    @cached_property
    def ticks(self) -> list[tuple[int, str]]:
        """Slots that the axis names, with short names."""
        step, last = self.period.step, self.period.steps - 1

        def has_name(slot: int, local: datetime) -> bool:
            if step is Step.DAY:
                return (last - slot) % 7 == 0
            return local.hour % 6 == 0 if step is Step.HOUR else local.minute % 15 == 0

        form = DATE if step is Step.DAY else CLOCK
        return [(n, date_format(local, form)) for n, local in enumerate(self.local_starts) if has_name(n, local)]
