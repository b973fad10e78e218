"""Who follows journald sees an entry at once, not when journald tells journalctl of it; on a real journald."""

import logging
import os
import threading
import time
import uuid
from pathlib import Path
from statistics import median

import pytest

from notifications.journal import JournaldJournal, Reader
from notifications.journal.journald.bell import Bells
from notifications.journal.journald.file_headers import Heads
from tests.support.journald import JournaldNamespace
from tests.support.journals import (
    exit_code,
    in_child,
    messages,
    read_all,
    read_some,
    settle,
    wait_until_following,
    write,
)
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

#: Seconds; journald alone takes 0.25 to 0.5, this thread some 0.005.
AT_ONCE = 0.15


def follow(journal: JournaldJournal) -> Reader:
    """A reader whose journalctl waits for what comes."""
    reader = journal.open()
    read_to(reader, written_now(journal))
    wait_until_following(reader)
    read_to(reader, written_now(journal))
    return reader


def written_now(journal: JournaldJournal) -> str:
    """The text of a new entry."""
    text = uuid.uuid4().hex
    write(journal, text)
    return text


def read_to(reader: Reader, text: str) -> None:
    """Read until this entry has come. What other readers of the test waited for comes before it."""
    wait_for(lambda: messages(read_some(reader, 1)) == [text], message=text)


def seconds_to_see(journal: JournaldJournal, *readers: Reader, count: int = 9) -> float:
    """From write() to read(), the median for the slowest reader."""
    for reader in readers:
        read_to(reader, written_now(journal))
    taken = []
    for _ in range(count):
        started = time.monotonic()
        text = written_now(journal)
        for reader in readers:
            read_to(reader, text)
        taken.append(time.monotonic() - started)
    return median(taken)


def looking() -> list[threading.Thread]:
    """Those that look at files. That of another test may be about to end."""
    return [thread for thread in threading.enumerate() if thread.name == "bells"]


def nobody_looks() -> None:
    wait_for(lambda: not looking(), message="the thread ends")


def test_an_entry_is_seen_at_once_also_after_rotation_vacuum_and_restart(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    reader = follow(journal)
    assert seconds_to_see(journal, reader) < AT_ONCE
    for change in (journald.rotate, journald.vacuum, journald.restart):
        change()
        assert seconds_to_see(journal, reader) < AT_ONCE
    assert reader.gap is None
    reader.close()


def test_one_thread_wakes_six_readers_and_ends_with_the_last(journal: JournaldJournal) -> None:
    nobody_looks()
    readers = [follow(journal) for _ in range(6)]
    assert len(looking()) == 1
    assert seconds_to_see(journal, *readers) < AT_ONCE
    for reader in readers[1:]:
        reader.close()
    assert len(looking()) == 1
    assert seconds_to_see(journal, readers[0]) < AT_ONCE
    readers[0].close()
    nobody_looks()


def test_no_removed_file_stays_open(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    reader = follow(journal)
    wait_for(lambda: open_files(journald), message="the bell looks at the files")
    for _ in range(3):
        journald.vacuum()
    wait_for(lambda: [file for file in open_files(journald) if "deleted" in file] == [], message="no removed file")
    reader.close()
    wait_for(lambda: not open_files(journald), message="no file at all")


def open_files(journald: JournaldNamespace) -> list[str]:
    """Of the journal, in this process."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return [file for file in found if f".{journald.name}/" in file]


def test_a_fork_has_no_thread_nor_file_of_it_and_can_follow_for_itself(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    reader = follow(journal)
    wait_for(lambda: open_files(journald))

    def child() -> None:
        assert looking() == []
        assert open_files(journald) == []
        own = follow(journal)
        assert seconds_to_see(journal, own) < AT_ONCE
        own.close()

    assert exit_code(in_child(child)) == 0
    assert seconds_to_see(journal, reader) < AT_ONCE
    reader.close()


def test_a_fork_that_closes_what_it_got_disturbs_nobody(journal: JournaldJournal) -> None:
    reader = follow(journal)
    assert exit_code(in_child(reader.close)) == 0
    assert seconds_to_see(journal, reader) < AT_ONCE
    reader.close()


def test_two_processes_share_the_links(journal: JournaldJournal) -> None:
    reader = follow(journal)

    def child() -> None:
        other = follow(journal)
        assert seconds_to_see(journal, other) < AT_ONCE
        other.close()

    assert exit_code(in_child(child)) == 0
    assert seconds_to_see(journal, reader) < AT_ONCE
    reader.close()


def test_where_there_can_be_no_links_entries_come_later_but_come(
    journald: JournaldNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = JournaldJournal(journald.name, links=tmp_path / "file")
    with caplog.at_level(logging.WARNING), journal.open() as reader:
        write(journal, "first")
        assert messages(read_some(reader, 1)) == ["first"]
        write(journal, "second")
        assert messages(read_some(reader, 1)) == ["second"]
        assert str(tmp_path / "file") in caplog.text
        nobody_looks()
    journal.close()


def test_links_that_go_away_cost_only_time(journald: JournaldNamespace, journal: JournaldJournal, links: Path) -> None:
    reader = follow(journal)
    for link in links.glob("*/*"):
        link.unlink()
    for folder in links.iterdir():
        folder.rmdir()
    write(journal, "after")
    assert messages(read_some(reader, 1)) == ["after"]
    assert len(looking()) == 1
    reader.close()
    other = follow(journal)
    assert seconds_to_see(journal, other) < AT_ONCE
    other.close()


def test_a_journal_in_memory_is_seen_at_once(links: Path) -> None:
    with JournaldNamespace(settings={"Storage": "volatile"}) as journald:
        journal = JournaldJournal(journald.name, links=links)
        reader = follow(journal)
        assert [folder.parts[1] for folder in journald.folders] == ["run"]
        assert seconds_to_see(journal, reader) < AT_ONCE
        reader.close()
        journal.close()


def test_a_reader_there_before_the_journal_sees_its_entries_at_once(links: Path) -> None:
    namespace = JournaldNamespace()
    journal = JournaldJournal(namespace.name, links=links)
    with journal.open() as reader:
        wait_until_following(reader)
        with namespace:
            write(journal, "first")
            assert messages(read_some(reader, 1)) == ["first"]
            wait_until_following(reader)
            assert seconds_to_see(journal, reader) < AT_ONCE
    journal.close()


def test_entries_of_a_later_boot_than_those_that_are_there_are_seen(links: Path) -> None:
    """`journalctl --directory -f` alone follows the last boot that had entries at its start, for ever."""
    journald = JournaldNamespace()
    journald.boot_id = uuid.uuid4()
    journal = JournaldJournal(journald.name, links=links)
    with journald:
        write(journal, "before the boot")
        wait_for(lambda: read_all(journal.open(follow=False)), message="it is written")
        journald.stop()
        with journal.open() as reader:
            assert messages(read_some(reader, 1)) == ["before the boot"]
            wait_until_following(reader)
            journald.boot_id = None
            journald.start()
            write(journal, "after the boot")
            assert messages(read_some(reader, 1)) == ["after the boot"]
            assert reader.gap is None
    journal.close()


def test_heads_of_files_that_may_not_be_read_are_none(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    write(journal, "x")
    settle(journal)
    heads = Heads(journald.name)
    assert heads.changed(1.0)
    assert len(heads) == 1
    heads.close()
    (folder,) = journald.folders

    def as_nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        others = Heads(journald.name)
        assert not others.changed(1.0)
        assert len(others) == 0

    assert exit_code(in_child(as_nobody)) == 0  # the folder may be listed, the files may not be opened
    folder.chmod(0o700)
    assert exit_code(in_child(as_nobody)) == 0


def test_a_folder_that_vanishes_between_two_looks(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    write(journal, "x")
    settle(journal)
    heads = Heads(journald.name)
    heads.changed(1.0)
    journald.stop()
    for folder in journald.folders:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    heads.changed(1.5)
    heads.changed(3.0)
    assert len(heads) == 0
    assert not heads.changed(3.1)
    heads.close()


def test_another_namespace_has_a_bell_of_its_own_and_the_same_thread(
    journald: JournaldNamespace, journal: JournaldJournal, links: Path
) -> None:
    nobody_looks()
    bells = Bells()
    with JournaldNamespace() as other:
        first, second = bells.take(journal.namespace, links), bells.take(other.name, links)
        assert first is not None
        assert second is not None
        assert first.folder != second.folder
        folders = (*journald.folders, *other.folders)
        wait_for(lambda: {Path(file).parent for file in open_files(journald) + open_files(other)} == {*folders})
        assert len(looking()) == 1
        bells.give_back(first)
        wait_for(lambda: not open_files(journald), message="its files are closed")
        assert open_files(other)
        bells.give_back(second)
    nobody_looks()
