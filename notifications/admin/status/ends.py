"""Letters at the ends of lines: those that end alike stand together, others are moved apart."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from notifications.admin.status.drawing import spread

#: From the top of the drawing to the middle of a letter beside a point there.
LETTER: Final = 4
#: The upper edge of the drawing in its chart.
TOP: Final = 18
#: Pixels within which two lines end alike, and how many letters have room beside each other.
ALIKE: Final = 3.0
TOGETHER: Final = 3


class End(NamedTuple):
    """Letters, and where their base is. `start` and `end` of a thin line to them if they were moved, or "". Pixels."""

    letters: str
    y: str
    start: str = ""
    end: str = ""


def ends(heights: Mapping[str, float]) -> list[End]:
    """Of lines by their letters, which end so many pixels below the upper edge."""
    groups: list[tuple[str, float]] = []
    for letter, height in sorted(heights.items(), key=lambda each: (each[1], each[0])):
        letters, first = groups[-1] if groups else ("", height)
        if groups and height - first <= ALIKE and len(letters) < TOGETHER:
            groups[-1] = "".join(sorted(letters + letter)), first
        else:
            groups.append((letter, height))
    places = spread([height for _, height in groups])
    return [_end(letters, height, place) for (letters, height), place in zip(groups, places, strict=True)]


def _end(letters: str, height: float, place: float) -> End:
    y = f"{place + LETTER + TOP:.0f}"
    if abs(place - height) <= ALIKE:
        return End(letters, y)
    return End(letters, y, f"{height + TOP:.0f}", f"{place + TOP:.0f}")
