"""Finds a channel's events among journal entries."""

from collections.abc import Callable

from notifications.conf import conf
from notifications.events.encoding import event_of, text_event_of
from notifications.events.event import Event
from notifications.journal import Entry


def parser(name: str, *, text: bool) -> Callable[[Entry], Event | None]:
    """Returns a function that parses the events of channel `name`, and returns None for other entries.

    With `text` they are plain lines, by any user; otherwise events by `conf.trusted_uids`.
    """
    trusted_uids = conf.trusted_uids

    def parse(entry: Entry) -> Event | None:
        if text:
            event = text_event_of(entry)
            return event if event is not None and event.name == name else None
        return event_of(entry, trusted_uids) if entry.fields.get("PROPPY_EVENT") == name else None

    return parse
