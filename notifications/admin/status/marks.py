"""Names and places of the times below a chart and of its vertical marks, so that no name covers another."""

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

from notifications.admin.status.periods import Window
from notifications.admin.status.releases import Mark
from notifications.utils import graphemes

#: The part of the drawing's width that its slots take, in percent; right of them are the letters of the lines.
SLOTS: Final = 94.0
#: Of two marks that are closer only the last has its name: the list of releases has both.
CLOSE: Final = 16.0
#: Beyond it a name is written to the left of its mark.
FAR: Final = 78.0
LONGEST: Final = 12


class Text(NamedTuple):
    """A text at a place of the drawing, in percent from the left; `anchor` as SVG has it."""

    x: str
    text: str
    anchor: str = "middle"


@cache
def percent(part: float) -> str:
    """A part of the slots' width, for an attribute."""
    return f"{part * SLOTS:.2f}%"


def ticks(window: Window) -> list[Text]:
    """Times that the axis names."""
    places = ((slot / window.period.steps, text) for slot, text in window.ticks)
    return [Text(percent(place), text, "middle" if place else "start") for place, text in places]


def mark_texts(marks: Sequence[Mark], steps: int) -> list[Text]:
    """Those in the window, which has so many slots; the last first."""
    texts, free = [], float("inf")
    for mark in sorted((mark for mark in marks if mark.slot >= 0), key=lambda each: -each.slot):
        place = mark.slot / steps * SLOTS
        is_free = free - place >= CLOSE
        free = place if is_free else free
        name = graphemes.first(mark.name, LONGEST, "…") if is_free else ""
        texts.append(Text(percent(mark.slot / steps), name, "end" if place > FAR else "start"))
    return texts
