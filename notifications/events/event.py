"""An event: something that happened, in one readable line."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

#: What processes have counted: events/series.py.
SERIES: Final = "SERIES"
#: The engine's own: LOST and END of a process, TICK of a follower that still reads, REFUSED entries, SERIES.
RESERVED: Final = frozenset({"LOST", "END", "TICK", "REFUSED", SERIES})
NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Event:
    """An event for a channel to deliver."""

    name: str
    text: str
    time: datetime
    data: dict[str, Any] = field(default_factory=dict)
    #: `<process token>:<number>`; "" for a plain text line.
    id: str = ""
    #: False for a plain text line, which any local user may have written.
    author_known: bool = True
