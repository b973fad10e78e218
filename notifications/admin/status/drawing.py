"""Lines and bars as the numbers of an SVG. Pure functions; strings come out, since templates localise numbers."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

#: Units of the drawing. It is stretched to the width of the page; a unit of its height is a pixel.
WIDTH: Final = 1000
HEIGHT: Final = 140
#: Pixels between the letters at the ends of two lines.
APART: Final = 13
#: Half the length of a line of one point.
DOT: Final = 3
#: The part of a slot that its bar takes.
BAR: Final = 0.8
LOWEST_BAR: Final = 1.5

Values = Sequence[float | None]
#: Tops of an axis of seconds.
SECONDS: Final = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800)


def round_top(most: float) -> float:
    """The next of 1, 2, 4, 6, 8, 10, 20, 40, … that is not below it; 1 at least. Its half reads well too."""
    power = 1.0
    while power * 10 < most:
        power *= 10
    return next(top * power for top in (1, 2, 4, 6, 8, 10) if top * power >= most)


def round_seconds(most: float) -> float:
    """A top that reads well as a duration."""
    at = bisect_left(SECONDS, most)
    return float(SECONDS[at]) if at < len(SECONDS) else round_top(most / 86_400) * 86_400


def height_of(value: float, top: float) -> float:
    """How far from the upper edge."""
    return HEIGHT * (1 - min(value / top, 1.0))


def runs(values: Values) -> Iterator[list[tuple[int, float]]]:
    """Stretches without a gap: slots and values."""
    run: list[tuple[int, float]] = []
    for slot, value in enumerate(values):
        if value is not None:
            run.append((slot, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def path(values: Values, top: float) -> str:
    """The `d` of a line through the middles of its slots, with gaps; a lonely point is a dash."""
    wide = WIDTH / max(len(values), 1)
    parts = []
    for run in runs(values):
        places = [f"{(slot + 0.5) * wide:.1f} {height_of(value, top):.1f}" for slot, value in run]
        if len(places) == 1:
            (slot, value), *_ = run
            parts.append(f"M{(slot + 0.5) * wide - DOT:.1f} {height_of(value, top):.1f}h{2 * DOT}")
        else:
            parts.append(f"M{'L'.join(places)}")
    return "".join(parts)


def dash(values: Values, top: float) -> str:
    """The `d` of a dash as wide as a bar for each value, joined to none."""
    wide = WIDTH / max(len(values), 1)
    return "".join(
        f"M{(slot + (1 - BAR) / 2) * wide:.1f} {height_of(value, top):.1f}h{wide * BAR:.1f}"
        for slot, value in enumerate(values)
        if value is not None
    )


def bars(values: Values, top: float) -> str:
    """The `d` of a bar for each value that is not 0, from the lower edge."""
    wide = WIDTH / max(len(values), 1)
    return "".join(
        f"M{(slot + (1 - BAR) / 2) * wide:.1f} {HEIGHT}v-{max(HEIGHT - height_of(value, top), LOWEST_BAR):.1f}"
        f"h{wide * BAR:.1f}V{HEIGHT}z"
        for slot, value in enumerate(values)
        if value
    )


def spread(heights: Sequence[float]) -> list[float]:
    """The same heights, moved apart so that letters there do not cover each other, within the drawing."""
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    moved, lowest = [0.0] * len(heights), float("-inf")
    for at in order:
        lowest = moved[at] = max(heights[at], lowest + APART)
    over = max(0.0, max(moved, default=0.0) - HEIGHT)
    highest = float("inf")
    for at in reversed(order):
        highest = moved[at] = min(moved[at] if not over else min(moved[at], HEIGHT), highest - APART)
    return moved
