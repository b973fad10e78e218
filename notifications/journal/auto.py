"""Is there a journald that this process can write to and read from?"""

import logging
import select
import time
import uuid
from datetime import UTC, datetime, timedelta

from notifications.journal.base import Reader
from notifications.journal.journald import JournaldJournal

logger = logging.getLogger(__name__)

_SECONDS = 1.0
#: Not "proppy", so that no follower sees the probe.
_IDENTIFIER = "proppy-probe"


def journald_works(namespace: str = "", *, timeout: float = _SECONDS) -> bool:
    """Whether an entry written now can be read back within `timeout` seconds."""
    journal = JournaldJournal(namespace, identifier=_IDENTIFIER)
    token = uuid.uuid4().hex
    since = datetime.now(UTC) - timedelta(seconds=1)
    message = f"{token}: proppy looks whether it can read the journal"
    try:
        journal.write(journal.encode({"MESSAGE": message, "PRIORITY": "7", "SYSLOG_IDENTIFIER": _IDENTIFIER}))
        with journal.open(since=since) as reader:
            return _comes_back(reader, message, time.monotonic() + timeout)
    except OSError as error:
        logger.info("journald cannot be used: %s", error)
        return False
    finally:
        journal.close()


def _comes_back(reader: Reader, message: str, deadline: float) -> bool:
    while (left := deadline - time.monotonic()) > 0:
        if any(entry.fields.get("MESSAGE") == message for entry in reader.read(100)):
            return True
        descriptor = reader.fileno()
        select.select([] if descriptor is None else [descriptor], [], [], min(left, 0.1))
    return False
