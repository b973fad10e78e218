"""Durations for people."""

from typing import Final

UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Seconds in the largest unit that fits: 42 s, 3 min, 5 h, 12 d."""
    seconds = max(0, int(seconds))
    size, unit = next((entry for entry in UNITS if seconds >= entry[0]), UNITS[-1])
    return f"{seconds // size} {unit}"
