"""A journalctl or a journald that hangs or dies while it is followed: no wait, no loss; on a real journald."""

import os
import signal
import time
from pathlib import Path

import pytest

from notifications.journal import JournaldJournal
from notifications.journal.journald import stored_entries
from tests.support.journald import JournaldNamespace
from tests.support.journals import messages, read_some, wait_until_following, write
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

#: Seconds. More than anything here takes, less than a watchdog waits.
PATIENCE = 5


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journalctl that says nothing and does not end; the file in which it writes its pid."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "journalctl").write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\nkill -STOP $$\nexec sleep 60\n")
    (folder / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return tmp_path / "pids"


def test_a_stopped_journalctl_is_closed_at_once_and_a_new_reader_goes_on(journal: JournaldJournal) -> None:
    with journal.open() as reader:
        write(journal, "before")
        (before,) = read_some(reader, 1)
    reader = journal.open(after=before.position)
    pid = wait_until_following(reader)
    os.kill(pid, signal.SIGSTOP)
    write(journal, "after")
    assert reader.read(10) == []
    started = time.monotonic()
    reader.close()
    assert time.monotonic() - started < PATIENCE
    assert not Path(f"/proc/{pid}").exists()
    with journal.open(after=before.position) as other:
        assert messages(read_some(other, 1)) == ["after"]
        assert other.gap is None


def test_a_stopped_journald_is_silence_and_then_everything_comes(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    reader = journal.open()
    wait_until_following(reader)
    journald.pause()
    for number in range(5):
        write(journal, str(number))
    assert reader.read(10) == []
    journald.resume()
    assert messages(read_some(reader, 5)) == ["0", "1", "2", "3", "4"]
    assert (reader.gap, reader.skipped) == (None, 0)
    reader.close()


def test_a_position_is_looked_for_no_longer_than_a_watchdog_waits(
    journal: JournaldJournal, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored_entries.PROBE_SECONDS <= PATIENCE
    monkeypatch.setattr(stored_entries, "PROBE_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="in time"):
        journal.open(after="s=1;i=1")
    assert time.monotonic() - started < PATIENCE
    assert_gone(hanging)


def test_a_journalctl_that_hangs_from_its_start_holds_nobody(journal: JournaldJournal, hanging: Path) -> None:
    started = time.monotonic()
    reader = journal.open()
    wait_for(hanging.exists, message="it runs")
    assert reader.read(10) == []
    reader.close()
    assert time.monotonic() - started < PATIENCE
    assert_gone(hanging)


def assert_gone(pids: Path) -> None:
    assert [pid for pid in pids.read_text().split() if Path(f"/proc/{pid}").exists()] == []
