"""The events that were emitted while a payload was in hand: read from this machine's journal when somebody looks."""

from datetime import timedelta
from typing import Final, NamedTuple

from notifications.conf import conf
from notifications.events.emit import process_outbox
from notifications.events.encoding import event_of
from notifications.events.event import Event
from notifications.journal import Found
from notifications.journal.event_fields import RECEIPT
from notifications.models import Machine, RawPayload
from notifications.operations.machines import are_several_possible
from notifications.positions.key import machine_id
from notifications.utils.folder_rights import explain

#: Seconds for the journal: of each page, and of one for which somebody waits.
SECONDS: Final = 0.1
PATIENTLY: Final = 10.0
#: Events to show: the last ones.
MOST: Final = 100
#: A payload may have come by another machine's clock.
CLOCKS: Final = timedelta(minutes=5)


class Emitted(NamedTuple):
    """The events, oldest first. `note`: why there may be others, in words. `late`: the journal took too long."""

    events: list[Event]
    note: str = ""
    late: bool = False


def emitted(payload: RawPayload, *, patiently: bool) -> Emitted:
    """Takes SECONDS, or PATIENTLY. Raises database errors only."""
    try:
        found = process_outbox().journal.find(
            RECEIPT,
            str(payload.receipt),
            since=payload.received_at - CLOCKS,
            most=MOST,
            seconds=PATIENTLY if patiently else SECONDS,
        )
    except (OSError, ValueError) as error:
        why = explain(error) or error.strerror if isinstance(error, OSError) else ""
        return Emitted([], f"Its events are unknown: this machine's journal cannot be read: {why or error}")
    events = [event for entry in found.entries if (event := event_of(entry, conf.trusted_uids))]
    late = not found.whole and len(found.entries) < MOST
    return Emitted(events, " ".join(_notes(found, late=late)), late)


def _notes(found: Found, *, late: bool) -> list[str]:
    notes = []
    if late:
        notes.append("There may be more events: there was no time to read the whole journal.")
    elif not found.whole:
        notes.append(f"Only its last {MOST} events are shown.")
    elif not found.entries:
        notes.append("This machine's journal has no events of it.")
    if are_several_possible() and Machine.objects.exclude(machine=machine_id()).exists():
        notes.append("What it emitted on other machines is in their journals.")
    return notes
