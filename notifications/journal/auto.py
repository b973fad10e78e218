"""JOURNAL_URL=auto: journald if it can be written to and read from. The first process decides for all.

If each process decided for itself, one could write to a journal that the other does not read.
"""

import logging
import os
import select
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from notifications.journal.base import Entry, Reader
from notifications.journal.journald.journal import JournaldJournal
from notifications.utils.private_folders import make_private

logger = logging.getLogger(__name__)

_SECONDS = 1.0
#: Not "proppy", so no follower sees the probe.
IDENTIFIER = "proppy-probe"


def chooses_journald(state_dir: Path, probe: Callable[[], bool]) -> bool:
    """Whether `auto` means journald; if not, it means the file journal.

    STATE_DIR/journal-auto holds the answer of the first `probe()`. It is valid until somebody removes the file, even
    while journald is gone, because journald may hold unread events. If it cannot be saved, this process decides alone.
    """
    path = state_dir / "journal-auto"
    answer = None
    try:
        answer = _read(path)
        if answer is None:
            answer = "journald" if probe() else "file"
            answer = _keep_first(path, answer)
    except OSError as error:
        logger.warning(
            "NOTIFICATIONS_JOURNAL_URL = auto: the choice cannot be kept in %s, so processes may differ: %s",
            path,
            error,
        )
    if answer is None:
        return probe()
    logger.info(
        "NOTIFICATIONS_JOURNAL_URL = auto is %s. To decide again, remove %s and restart all processes.", answer, path
    )
    if answer == "journald":
        _warn_if_gone(path)
    return answer == "journald"


def _read(path: Path) -> str | None:
    """None if nothing was chosen yet. Anything but "journald" means the file journal, in every process."""
    with suppress(FileNotFoundError):
        return "journald" if path.read_bytes().strip() == b"journald" else "file"
    return None


def _keep_first(path: Path, answer: str) -> str:
    """Saves the answer, unless another process was faster. Returns the saved one. Raises OSError."""
    make_private(path.parent)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{answer}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return _read(path) or answer


def _warn_if_gone(path: Path) -> None:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(JournaldJournal().socket_path)
    except OSError as error:
        advice = "events wait until it is back. If it will not come back, remove %s and restart all processes."
        logger.warning("NOTIFICATIONS_JOURNAL_URL = auto is journald, which is gone (%s): " + advice, error, path)


def journald_works(namespace: str = "", *, timeout: float = _SECONDS) -> bool:
    """Whether an entry that is written now can be read within `timeout` seconds."""
    journal = JournaldJournal(namespace, identifier=IDENTIFIER)
    token = uuid.uuid4().hex
    since = datetime.now(UTC) - timedelta(seconds=1)
    message = f"{token}: proppy checks whether it can read the journal"
    try:
        journal.write(journal.encode({"MESSAGE": message, "PRIORITY": "7", "SYSLOG_IDENTIFIER": IDENTIFIER}))
        with journal.open(since=since) as reader:
            return comes_back(reader, message, time.monotonic() + timeout) is not None
    except OSError as error:
        logger.info("journald cannot be used: %s", error)
        return False
    finally:
        journal.close()


def comes_back(reader: Reader, message: str, deadline: float) -> Entry | None:
    """The entry with this message as soon as it can be read; None after `deadline`, by time.monotonic().

    Raises OSError.
    """
    while (left := deadline - time.monotonic()) > 0:
        for entry in reader.read(100):
            if entry.fields.get("MESSAGE") == message:
                return entry
        descriptor = reader.fileno()
        select.select([] if descriptor is None else [descriptor], [], [], min(left, 0.1))
    return None
