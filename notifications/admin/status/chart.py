"""A chart as its template needs it: texts for people, and strings for the attributes of an SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.utils.safestring import SafeString
from django.utils.text import capfirst

from notifications.admin.status import drawing, markup
from notifications.admin.status.ends import End, ends
from notifications.admin.status.lines import Line
from notifications.admin.status.marks import percent
from notifications.admin.status.markup import Slot
from notifications.admin.status.periods import Window
from notifications.admin.status.wording import NONE, Words, count


class Drawn(NamedTuple):
    """A line, or bars. `running`: the piece of the slot that is not over. `says`: its sum or its last value."""

    letter: str
    kind: str
    name: str
    href: str
    path: str
    running: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What is to be drawn. `top`: the upper end of the axis for the highest value. `at`: the list of what came in a
    slot. `more`: lines that were left out; `sums`: whether adding up a line means something. `is_known`: anything at
    all was counted in this time, so that no count means none.
    """

    key: str
    title: str
    window: Window
    lines: Sequence[Line]
    words: Words = count
    top: Callable[[float], float] = drawing.round_top
    href: str = ""
    at: Callable[[int], str] = lambda _: ""
    time_axis: str = ""
    more: int = 0
    sums: bool = False
    is_known: bool = True
    bars: bool = False

    @property
    def id(self) -> str:
        """Of its element."""
        return f"chart-{self.key}"

    @cached_property
    def is_empty(self) -> bool:
        """Nothing to draw."""
        return not any(value for line in self.lines for value in line.values)

    @cached_property
    def highest(self) -> float:
        """The upper end of its axis."""
        return self.top(max((value or 0 for line in self.lines for value in line.values), default=0))

    @property
    def axis(self) -> list[str]:
        """Its labels from the top; the middle one only if it is exact."""
        half = self.highest / 2
        middle = "" if self.words is count and half != int(half) else self.words(half)
        return [self.words(self.highest), middle, "0"]

    @cached_property
    def drawn(self) -> list[Drawn]:
        """Its lines."""
        return [self._drawn(line) for line in self.lines]

    def _drawn(self, line: Line) -> Drawn:
        whole, running = self._split(line.values)
        return Drawn(
            letter="" if len(self.lines) == 1 else line.letter,
            kind=line.kind or f"line-{line.number + 1}",
            name=line.name,
            href=line.href,
            path=drawing.bars(whole, self.highest) if self.bars else drawing.path(whole, self.highest),
            running=drawing.bars(running, self.highest) if self.bars else drawing.dash(running, self.highest),
            says=self._says(line),
        )

    @property
    def ends(self) -> list[End]:
        """The letters at the ends of the lines."""
        if len(self.lines) == 1:
            return []
        lasts = [(line.letter, _last(self._split(line.values)[0])) for line in self.lines]
        return ends({letter: drawing.height_of(last, self.highest) for letter, (_, last) in lasts if last is not None})

    def _split(self, values: drawing.Values) -> tuple[drawing.Values, drawing.Values]:
        """What is over, and the slot that runs: joined, a count that only began would look like a fall."""
        if not (self.sums and self.window.period.shows_running):
            return values, []
        return [*values[:-1], None], [*[None] * (len(values) - 1), values[-1]]

    def _says(self, line: Line) -> str:
        """Its sum or its last value, and which of these it is."""
        if self.sums:
            return f"{self.words(sum(value or 0 for value in line.values))} in all"
        if line.latest and line.latest.stopped:
            return line.latest.stopped
        if line.latest and line.latest.value is not None:
            return f"last minute {self.words(line.latest.value)}"
        slot, last = _last(line.values)
        return NONE if last is None else f"{self._when(slot)} {self.words(last)}"

    def _when(self, slot: int) -> str:
        running = self.window.period.running
        return running if running and slot == self.window.period.steps - 1 else f"at {self.window.names[slot]}"

    @cached_property
    def summary(self) -> str:
        """All of its lines in words."""
        texts = (f"{line.name}: {self._most(line)}" if line.name else capfirst(self._most(line)) for line in self.lines)
        return "; ".join(texts)

    @property
    def none(self) -> str:
        """What is said of an empty one."""
        is_measured = any(value is not None for line in self.lines for value in line.values)
        is_known = self.is_known if self.sums else is_measured
        return "None in this time" if is_known else "Nothing was measured in this time"

    def _most(self, line: Line) -> str:
        known = [(value, -slot) for slot, value in enumerate(line.values) if value is not None]
        if not known:
            return "unknown"
        most, slot = max(known)
        if not most:
            return f"0, {line.latest.stopped}" if line.latest and line.latest.stopped else "0"
        highest = f"most {self.words(most)} at {self.window.names[-slot]}"
        return f"{self._says(line)}, {highest}" if self.sums else f"{highest}, {self._says(line)}"

    @cached_property
    def slots(self) -> list[Slot]:
        """All of them, the oldest first."""
        return [self._slot(number, name) for number, name in enumerate(self.window.names)]

    def _slot(self, number: int, name: str) -> Slot:
        values = [line.values[number] for line in self.lines]
        cells = [NONE if value is None else self.words(value) for value in values]
        texts = [f"{line.name}: {cell}" if line.name else cell for line, cell in zip(self.lines, cells, strict=True)]
        x = percent(number / self.window.period.steps)
        return Slot(x, name, self.at(number), cells, "\n".join([name, *texts]))

    @property
    def hits(self) -> SafeString:
        """What the mouse finds."""
        return markup.hits(self.slots, percent(1 / self.window.period.steps))

    @property
    def rows(self) -> SafeString:
        """Those of the table: the youngest first, without those that had nothing."""
        numbers = reversed(range(self.window.period.steps))
        return markup.rows(self.slots[n] for n in numbers if any(line.values[n] for line in self.lines))


def _last(values: drawing.Values) -> tuple[int, float | None]:
    """The last slot that is known, and its value."""
    return next(((slot, values[slot]) for slot in reversed(range(len(values))) if values[slot] is not None), (0, None))
