"""Losses and refused entries that nobody has marked as seen: those are news."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import Count, F, Max, Sum

from notifications.events.event import SERIES
from notifications.models import Loss, Refusal

#: The youngest losses, of which the last is looked for: reports may come late.
YOUNGEST: Final = 100
#: What an older follow_journal refuses until it is restarted: newer web processes write events that it does not know.
OF_UPGRADE: Final = {"reason": "no channel of this name", "name": SERIES}


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


def unseen_losses() -> UnseenLosses:
    """Two queries. Raises database errors."""
    unseen = Loss.objects.unseen()
    found = unseen.aggregate(records=Count("pk"), events=Sum("count"), known=Count("count"))
    youngest = unseen.order_by("-pk").values_list("until", "told_at", "channel", "reason")[:YOUNGEST]
    rows = sorted((max(until, told_at or until), channel, reason) for until, told_at, channel, reason in youngest)
    last, _, reason = rows[-1] if rows else (None, "", "")
    channels = sorted({channel for _, channel, _ in rows}) if found["records"] <= YOUNGEST else []
    more = found["records"] > found["known"]
    return UnseenLosses(found["records"], found["events"] or 0, more, last, channels, reason)


def unseen_refused() -> UnseenRefused:
    """One query, of a table with at most a thousand rows for each journal. Raises database errors."""
    new = Sum(F("count") - F("seen_count"))
    found = Refusal.objects.unseen().exclude(**OF_UPGRADE).aggregate(kinds=Count("pk"), entries=new, last=Max("until"))
    return UnseenRefused(found["kinds"], found["entries"] or 0, found["last"])
