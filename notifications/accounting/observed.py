"""What the accountant is given for an entry of the journal, whatever that is."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from notifications.events import NAME, Event
from notifications.journal import Entry, as_text
from notifications.times import moment_of

ID: Final = re.compile(r"([\w-]{1,64}):([1-9][0-9]{0,17})", re.ASCII)
PID: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Observed(Event):
    """An entry of any kind; `name`, `text` and `id` are what it says itself."""

    entry: Entry = field(kw_only=True)

    @property
    def is_well_formed(self) -> bool:
        """Whether it has a name, and its message begins with that."""
        return self.text.startswith(f"{self.name}: ") and NAME.fullmatch(self.name) is not None


def observe(entry: Entry) -> Observed:
    """Never None: also what is no event moves the accountant's position."""
    name = entry.fields.get("PROPPY_EVENT")
    return Observed(
        name if isinstance(name, str) else "",
        as_text(entry.fields.get("MESSAGE")),
        moment_of(entry.time_us),
        id=as_text(entry.fields.get("PROPPY_ID")),
        entry=entry,
    )


def writer_of(event: Event) -> tuple[str, int] | None:
    """Token and number of an event that has them."""
    match = ID.fullmatch(event.id)
    return (match[1], int(match[2])) if match else None


def pid_of(fields: Mapping[str, Any]) -> int | None:
    pid = as_text(fields.get("_PID"))
    return int(pid) if PID.fullmatch(pid) else None


def origin_of(fields: Mapping[str, Any]) -> str:
    """Such as "web-1: proppy-web@1.service 4711", as far as the journal vouches for it."""
    program = as_text(fields.get("_SYSTEMD_UNIT")) or as_text(fields.get("_COMM")) or "process"
    return f"{origin_of_unit(program)} {pid_of(fields) or ''}".rstrip()


def origin_of_unit(unit: str) -> str:
    """Such as "web-1: proppy-web@1.service"."""
    return f"{socket.gethostname()}: {visible(unit)[:LONGEST]}"


def author_of(fields: Mapping[str, Any]) -> str:
    """Such as "uid 1000, session-3.scope"."""
    uid, unit = as_text(fields.get("_UID")), as_text(fields.get("_SYSTEMD_UNIT"))
    return visible(f"uid {uid or 'unknown'}" + (f", {unit}" if unit else ""))[:LONGEST]


def visible(text: str) -> str:
    """The text with what cannot be seen written as in Python: for every database, terminal and browser."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
