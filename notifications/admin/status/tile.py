"""What a tile is."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mood(StrEnum):
    """Its colour, which repeats what its words say."""

    FINE = "fine"
    #: Something waits or failed: somebody should look.
    WARNING = "warning"
    #: Something is being lost, or visitors are refused.
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tile:
    """One thing in a few words: `state` says how it is, `facts` the figures. `href`: its list, or "".

    `key` is unique.
    """

    key: str
    title: str
    state: str
    mood: Mood = Mood.FINE
    facts: list[str] = field(default_factory=list)
    href: str = ""
