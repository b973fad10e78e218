"""A journal entry for the accountant, event or not."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from notifications.events.event import NAME
from notifications.events.process_token import ID
from notifications.journal import Entry, as_text

PID: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Observed:
    """An entry of any kind. `name`, `text` and `id` are claims of its sender."""

    name: str
    text: str
    time: datetime
    entry: Entry
    id: str = ""
    author_known: bool = True
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_well_formed(self) -> bool:
        """Whether the name is valid, and the message begins with it."""
        return self.text.startswith(f"{self.name}: ") and NAME.fullmatch(self.name) is not None

    @property
    def token_and_number(self) -> tuple[str, int] | None:
        """The token of the process that wrote it, and its number there; None if it has no valid id."""
        match = ID.fullmatch(self.id)
        return (match[1], int(match[2])) if match else None


def pid_of(fields: Mapping[str, Any]) -> int | None:
    pid = as_text(fields.get("_PID"))
    return int(pid) if PID.fullmatch(pid) else None


def origin_of(fields: Mapping[str, Any]) -> str:
    """For example "web-1: proppy-web@1.service 4711", from fields that only the journal can set."""
    program = as_text(fields.get("_SYSTEMD_UNIT")) or as_text(fields.get("_COMM")) or "process"
    return f"{origin_of_unit(program)} {pid_of(fields) or ''}".rstrip()


def origin_of_unit(unit: str) -> str:
    """For example "web-1: proppy-web@1.service"."""
    return f"{socket.gethostname()}: {visible(unit)[:LONGEST]}"


def author_of(fields: Mapping[str, Any]) -> str:
    """For example "uid 1000, session-3.scope"."""
    uid, unit = as_text(fields.get("_UID")), as_text(fields.get("_SYSTEMD_UNIT"))
    return visible(f"uid {uid or 'unknown'}" + (f", {unit}" if unit else ""))[:LONGEST]


def visible(text: str) -> str:
    """Returns the text with invisible characters escaped as in Python: safe in databases, terminals and browsers."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
