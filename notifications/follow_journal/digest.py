"""A digest: one event in place of many, with their number, kinds and times, all alerts, and the first and last few."""

from collections import Counter, deque
from datetime import datetime
from html import escape
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from django.utils import timezone

from notifications.events.event import Event
from notifications.utils import graphemes
from notifications.utils.times import utc_now

#: So many events need no digest. A digest shows so many in full at either end.
FEW: Final = 3
#: The most kinds counted by name. More are counted together, so that memory is bounded.
MOST_KINDS: Final = 50
#: The most kinds named in the text.
NAMED: Final = 10
LONGEST_KIND: Final = 40
#: Characters to show of an event: six events, and the kinds twice, fit into a Slack message (4,000).
LONGEST_LINE: Final = 400
CUT: Final = " […]"
#: Characters of alerts in one digest, as Slack counts them: they come first, and must all be in its message (4,000).
MOST_OF_ALERTS: Final = 2000
LONGEST_TIME: Final = len("2026-05-01 14:02:03 ")
OTHER: Final = "other"


class Digest:
    """Takes events in order, and forgets most of them. Their kinds come from `emit(…, kind="sign-up")`.

    It forgets no alert (`emit(…, alert=True)`), and takes only as many as fit into one message.
    """

    def __init__(self) -> None:
        self.count = 0
        self._kinds: Counter[str] = Counter()
        self._alerts: list[tuple[int, Event]] = []
        self._first: list[tuple[int, Event]] = []
        self._last: deque[tuple[int, Event]] = deque(maxlen=FEW)
        self._left_for_alerts = MOST_OF_ALERTS
        self._since = self._until = utc_now()

    def has_room(self, event: Event) -> bool:
        """Whether the event can be added: always, unless it is an alert too many."""
        return not _is_alert(event) or not self._alerts or _size(event) <= self._left_for_alerts

    def add(self, event: Event) -> None:
        self._since, self._until = (
            (min(self._since, event.time), max(self._until, event.time)) if self.count else (event.time, event.time)
        )
        self.count += 1
        self._kinds[self._kind(event)] += 1
        if _is_alert(event):
            self._left_for_alerts -= _size(event)
            self._alerts.append((self.count, event))
        else:
            (self._first if len(self._first) < FEW else self._last).append((self.count, event))

    def event(self, name: str) -> Event:
        """The event for the channel. Each event of an unknown author is marked in it."""
        first, last = self.shown[0], self.shown[-1]
        data = {
            "count": self.count,
            "kinds": dict(self._kinds),
            "since": self._since.isoformat(),
            "until": self._until.isoformat(),
        }
        identity = f"{first.id}..{last.id}" if first.id and last.id else ""
        return Event(name, "\n".join(self._lines()), self._until, {"digest": data}, identity)

    @property
    def since(self) -> datetime:
        """When its first event was written."""
        return self._since

    @property
    def shown(self) -> list[Event]:
        """The events shown, in order."""
        numbered = sorted([*self._alerts, *self._first, *self._last], key=itemgetter(0))
        return [event for _, event in numbered]

    def _lines(self) -> list[str]:
        middle = self._kinds - Counter(self._kind(event) for event in self.shown)
        more = middle.total()
        return [
            f"{_counts_text(self._kinds)}, {self._period()}",
            *(self._line_of(event) for _, event in (*self._alerts, *self._first)),
            *([f"… {more} more" + (f": {_counts_text(middle)}" if list(middle) != [OTHER] else "")] if more else []),
            *(self._line_of(event) for _, event in self._last),
        ]

    def _kind(self, event: Event) -> str:
        kind = event.data.get("kind")
        name = graphemes.first(_one_line(kind), LONGEST_KIND) if isinstance(kind, str) and kind.strip() else OTHER
        return name if name in self._kinds or len(self._kinds) < MOST_KINDS else OTHER

    def _line_of(self, event: Event) -> str:
        return f"{self._local_time(event.time, '%H:%M:%S')} {_text_of(event)}"

    def _period(self) -> str:
        since, until = self._local_time(self._since, "%H:%M"), self._local_time(self._until, "%H:%M")
        return since if since == until else f"{since} to {until}"

    def _local_time(self, moment: datetime, pattern: str) -> str:
        """Local time, with the date if the events are of several days."""
        days = {timezone.localtime(end).date() for end in (self._since, self._until)}
        return timezone.localtime(moment).strftime(pattern if len(days) == 1 else f"%Y-%m-%d {pattern}")


def _is_alert(event: Event) -> bool:
    return event.data.get("alert") is True


def _size(event: Event) -> int:
    """The most characters of an event's line, escaped for Slack."""
    return LONGEST_TIME + len(escape(_text_of(event), quote=False)) + len("\n")


def _text_of(event: Event) -> str:
    text = graphemes.first(_one_line(event.text), LONGEST_LINE + len(CUT), CUT)
    return text if event.author_known else f"(unknown author) {text}"


def _counts_text(kinds: "Counter[str]") -> str:
    """For example "214 sign-ups, 3 errors": the most frequent kinds first, events without a kind last."""
    named: list[tuple[str, int]] = [item for item in kinds.most_common() if item[0] != OTHER]
    others = kinds.total() - sum(count for _, count in named[:NAMED])
    parts = [f"{count} {kind if count == 1 else _plural(kind)}" for kind, count in islice(named, NAMED)]
    if others:
        parts.append(f"{others} other{'s' * (others > 1)}" if parts else f"{others} event{'s' * (others > 1)}")
    return ", ".join(parts)


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def _one_line(text: Any) -> str:
    """An event must not add lines to the digest."""
    return " ".join(text.split())
