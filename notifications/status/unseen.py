"""Losses and refused entries that nobody has marked as seen: those are news."""

from dataclasses import dataclass, field
from datetime import datetime

from notifications.status.database_rows import YOUNGEST, DatabaseRows


@dataclass(frozen=True, slots=True)
class UnseenLosses:
    """`records` of losses, of `events` and, if `more`, of an unknown number besides; `last`: when the last one was, or
    was reported. `channels`: theirs ("": of all), none if there are too many. `reason`: that of the last
    one.
    """

    records: int
    events: int
    more: bool
    last: datetime | None
    channels: list[str] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnseenRefused:
    """`entries`: those that came since their kind was seen. `kinds`: rows of the list. `last`: when the last came."""

    kinds: int
    entries: int
    last: datetime | None


def unseen_losses(rows: DatabaseRows) -> UnseenLosses:
    """Of those that nobody has marked as seen."""
    ((records, events, known),) = rows["unseen"]
    youngest = sorted(
        (max(time for text in texts if (time := rows.time(text))), channel, reason)
        for *texts, channel, reason in rows["youngest"]
    )
    last, _, reason = youngest[-1] if youngest else (None, "", "")
    channels = sorted({channel for _, channel, _ in youngest}) if records <= YOUNGEST else []
    return UnseenLosses(records, events or 0, records > known, last, channels, reason)


def unseen_refused(rows: DatabaseRows) -> UnseenRefused:
    """Of a table with at most a thousand rows for each journal."""
    ((kinds, entries, last),) = rows["unseen_refused"]
    return UnseenRefused(kinds, entries or 0, rows.time(last))
