"""Names and places of the vertical marks in a chart, so that no name covers another."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from notifications.admin.status.releases import Mark
from notifications.utils import graphemes

#: The part of the drawing's width that its slots take, in percent; right of them are the letters of the lines.
SLOTS: Final = 96.0
#: Of two marks that are closer only the first has its name: the legend has both.
CLOSE: Final = 16.0
#: Beyond it a name is written to the left of its mark.
FAR: Final = 78.0
LONGEST: Final = 12


class Text(NamedTuple):
    """A text at a place of the drawing, in percent from the left; `anchor` as SVG has it."""

    x: str
    text: str
    anchor: str = "middle"


def percent(part: float) -> str:
    """A part of the slots' width, for an attribute."""
    return f"{part * SLOTS:.2f}%"


def mark_texts(marks: Sequence[Mark], steps: int) -> list[Text]:
    """Those in the window, which has so many slots."""
    texts, end = [], -CLOSE
    for mark in marks:
        if mark.slot < 0:
            continue
        part = mark.slot / steps
        is_free = part * SLOTS - end >= CLOSE
        end = part * SLOTS if is_free else end
        name = graphemes.first(mark.name, LONGEST, "…") if is_free else ""
        texts.append(Text(percent(part), name, "end" if part * SLOTS > FAR else "start"))
    return texts
