"""The key of a position: machine, journal and channel."""

import socket
from pathlib import Path
from typing import Final, NamedTuple

from notifications.journal import Journal

MACHINE_ID: Final = Path("/etc/machine-id")


class Key(NamedTuple):
    """The owner of a position."""

    machine: str
    journal: str
    channel: str


def machine_id() -> str:
    """The id of this machine (man machine-id), else its host name."""
    try:
        return MACHINE_ID.read_text().strip() or socket.gethostname()
    except OSError:
        return socket.gethostname()


#: The end of a key's journal if the position is among its plain lines.
TEXT: Final = "#text"


def journal_key(journal: Journal, *, text: bool) -> str:
    """The journal part of a position's key."""
    return journal.url + (TEXT if text else "")
