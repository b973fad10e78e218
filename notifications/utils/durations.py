"""Durations for people."""

from typing import Final

UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Seconds in the largest unit that fits: 42 s, 3 min, 5 h, 12 d."""
    seconds = max(0, int(seconds))
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"0 {UNITS[-1][1]}"


def span(seconds: float) -> str:
    """Seconds as precise as people need them: 3.4 ms, 1.25 s, 4 min 10 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    whole = int(seconds)
    at = next(number for number, (size, _) in enumerate(UNITS) if whole >= size)
    (size, unit), (smaller, small_unit) = UNITS[at], UNITS[at + 1]
    rest = whole % size // smaller
    return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
