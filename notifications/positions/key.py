"""The key of a position: machine, journal and channel."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from notifications.conf import conf
from notifications.journal import Journal
from notifications.utils.private_folders import make_private

MACHINE_ID: Final = Path("/etc/machine-id")
#: In STATE_DIR: the id under which this machine last worked, and its host name.
LAST_ID: Final = "machine-id"


class Key(NamedTuple):
    """The owner of a position."""

    machine: str
    journal: str
    channel: str


def machine_id() -> str:
    """The id of this machine (man machine-id).

    Without one, as in a container, whose host name is another after each deploy: the id that STATE_DIR remembers. Its
    first one is the host name.
    """
    return _first_line(MACHINE_ID) or _first_line(conf.state_dir / LAST_ID) or socket.gethostname()


def has_id() -> bool:
    """Whether the machine itself has an id."""
    return bool(_first_line(MACHINE_ID))


def remember_machine_id() -> None:
    """Let STATE_DIR remember the id, and the host's name. Without an id of the machine the first one stays.

    Raises OSError.
    """
    path = conf.state_dir / LAST_ID
    if _first_line(path) == machine_id():
        return
    make_private(path.parent)
    temporary = path.with_name(f"{LAST_ID}.{os.getpid()}.tmp")
    temporary.write_text(f"{machine_id()}\n{socket.gethostname()}\n")
    if has_id():
        temporary.rename(path)
        return
    with suppress(FileExistsError):  # another container with this STATE_DIR was faster
        os.link(temporary, path)
    temporary.unlink()


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except OSError:
        return ""


#: The end of a key's journal if the position is among its plain lines.
TEXT: Final = "#text"


def journal_key(journal: Journal, *, text: bool) -> str:
    """The journal part of a position's key."""
    return journal.url + (TEXT if text else "")
