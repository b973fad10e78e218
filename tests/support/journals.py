"""What tests of journals share: write with patience, read with a deadline."""

import os
import select
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from notifications.journal import Entry, FileJournal, Journal, JournaldJournal, MemoryJournal, Reader, as_text
from notifications.journal.journald.reader import JournaldReader
from tests.support.wait import wait_for


def write(journal: Journal, message: str, **fields: str) -> None:
    """Write one entry; again, for some seconds, as long as the journal is busy."""
    record = journal.encode({"MESSAGE": message, "SYSLOG_IDENTIFIER": "proppy", **fields})

    def taken() -> bool:
        with suppress(BlockingIOError):
            journal.write(record)
            return True
        return False

    wait_for(taken, message="the journal takes the entry")


def read_some(reader: Reader, count: int) -> list[Entry]:
    """Read until `count` entries have come."""
    entries: list[Entry] = []

    def enough() -> bool:
        entries.extend(reader.read(count - len(entries)))
        return len(entries) >= count or _wait(reader)

    wait_for(enough, message=f"{count} entries")
    return entries


def settle(journal: Journal) -> None:
    """Return when what was written before can be read: journald takes its datagrams in order, but later."""
    if isinstance(journal, JournaldJournal):
        token = uuid.uuid4().hex
        other = JournaldJournal(journal.namespace, identifier=f"barrier-{token}")
        write(other, token, SYSLOG_IDENTIFIER=other.identifier)
        with other.open() as reader:
            read_some(reader, 1)
        other.close()


def written(journal: Journal, *, after: str | None = None, since: datetime | None = None) -> list[Entry]:
    """Everything that was written, after a position or since a time."""
    settle(journal)
    return read_all(journal.open(after=after, since=since, follow=False))


def read_all(reader: Reader, limit: int = 1000) -> list[Entry]:
    """Read a reader that does not follow to its end, and close it."""
    entries: list[Entry] = []

    def exhausted() -> bool:
        entries.extend(reader.read(limit))
        return reader.exhausted or _wait(reader)

    with reader:
        wait_for(exhausted, timeout=60, message="the end of the journal")
    return entries


def wait_until_following(reader: Reader) -> int:
    """Read nothing until its journalctl waits for what comes; the pid of that."""
    assert isinstance(reader, JournaldReader)

    def follows() -> int | None:
        return reader.pid if reader.read(10) == [] and b"--no-tail" in _command_of(reader.pid) else None

    return wait_for(follows, message="journalctl -f")


def _command_of(pid: int | None) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def messages(entries: Iterable[Entry]) -> list[str]:
    """Their texts."""
    return [as_text(entry.fields["MESSAGE"]) for entry in entries]


def in_child(function: Callable[[], object]) -> int:
    """Run a function in a forked child, whose pid is returned. The child exits with 1 if it raises, and says why."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
        os._exit(0)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        raise
    finally:
        os._exit(1)


def exit_code(pid: int) -> int:
    """Wait for a child."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _wait(reader: Reader) -> bool:
    descriptor = reader.fileno()
    if descriptor is not None:
        select.select([descriptor], [], [], 0.2)
    return False


JOURNALD: Final = pytest.param("journald", marks=pytest.mark.services)
#: The parameters of a fixture of `each_journal`.
EACH_JOURNAL: Final = ("memory", "file", JOURNALD)


def each_journal(request: pytest.FixtureRequest, folder: Path) -> Iterator[Journal]:
    """A journal of the kind that is the fixture's parameter. A real journald may have entries of other tests."""
    opened: Journal
    if request.param == "memory":
        opened = MemoryJournal()
    elif request.param == "file":
        opened = FileJournal(folder / "journal", max_file_bytes=4096, max_files=10_000)
    else:
        opened = JournaldJournal(request.getfixturevalue("journald").name)
    yield opened
    opened.close()
