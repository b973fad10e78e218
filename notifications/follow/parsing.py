"""Which entries of which journal are a channel's events."""

from collections.abc import Callable
from typing import Final

from notifications.conf import conf
from notifications.events import Event, event_of, text_event_of
from notifications.journal import Entry, Journal

#: At the end of a position's journal: of its plain lines.
TEXT: Final = "#text"


def journal_key(journal: Journal, *, text: bool) -> str:
    """The journal part of a position's key."""
    return journal.url + (TEXT if text else "")


def parser(name: str, *, text: bool) -> Callable[[Entry], Event | None]:
    """Gives the events of a channel: those that a trusted user wrote, or with `text` plain lines of anybody."""
    return _text_parser(name) if text else _parser(name, conf.trusted_uids)


def _parser(name: str, trusted_uids: frozenset[int]) -> Callable[[Entry], Event | None]:
    def parse(entry: Entry) -> Event | None:
        return event_of(entry, trusted_uids) if entry.fields.get("PROPPY_EVENT") == name else None

    return parse


def _text_parser(name: str) -> Callable[[Entry], Event | None]:
    def parse(entry: Entry) -> Event | None:
        event = text_event_of(entry)
        return event if event is not None and event.name == name else None

    return parse
