"""What was removed before it was read is told exactly, and nothing else is; on a real journald."""

import shutil

import pytest

from notifications.journal import Entry, JournaldJournal
from tests.support.journald import JournaldNamespace
from tests.support.journals import messages, read_some, settle, write

pytestmark = pytest.mark.services


def write_and_read(journal: JournaldJournal, *texts: str) -> list[Entry]:
    """Write entries and read them, with nothing of anybody else between them."""
    with journal.open() as reader:
        for text in texts:
            write(journal, text)
        found = read_some(reader, len(texts))
    assert messages(found) == list(texts)
    return found


def test_a_removed_position_behind_which_nothing_was_is_no_gap(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    (last,) = write_and_read(journal, "last")
    journald.vacuum()
    write(journal, "next")
    with journal.open(after=last.position) as reader:
        assert messages(read_some(reader, 1)) == ["next"]
        assert reader.gap is None


def test_a_gap_says_how_many_entries_of_anybody_and_between_which_times(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    first, *_, last = write_and_read(journal, *(str(number) for number in range(10)))
    write(journal, "another's", SYSLOG_IDENTIFIER="cron")
    settle(journal)  # writes one, too
    journald.vacuum()
    with journal.open(after=first.position) as reader:
        assert reader.gap is not None
        assert (reader.gap.position, reader.gap.count) == (first.position, 9 + 2)
        assert reader.gap.since_us == first.time_us
        assert reader.gap.until_us is not None
        assert reader.gap.until_us > last.time_us


@pytest.mark.parametrize("happened", ["rotate", "restart", "kill"])
def test_what_removes_nothing_is_no_gap(journald: JournaldNamespace, journal: JournaldJournal, happened: str) -> None:
    (before,) = write_and_read(journal, "before")
    with journal.open(after=before.position) as follower:
        assert follower.read(10) == []
        getattr(journald, happened)()
        journald.start()
        write(journal, "after")
        assert messages(read_some(follower, 1)) == ["after"]
        assert follower.gap is None
    with journal.open(after=before.position) as reader:
        assert messages(read_some(reader, 1)) == ["after"]
        assert reader.gap is None


def test_a_follower_that_read_everything_sees_no_gap_in_a_vacuum(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    with journal.open() as reader:
        for number in range(5):
            write(journal, str(number))
            assert messages(read_some(reader, 1)) == [str(number)]
            journald.vacuum()
        assert reader.gap is None


def test_where_nothing_is_left_the_next_entry_tells(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    (old,) = write_and_read(journal, "old")
    journald.stop()
    for path in journald.files:
        path.unlink()
    with journal.open(after=old.position) as reader:
        assert reader.read(10) == []
        assert reader.gap is None
        journald.start()
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]
        assert reader.gap is not None
        assert (reader.gap.position, reader.gap.count) == (old.position, None)
        assert reader.gap.since_us == old.time_us


def test_the_folder_goes_away_while_it_is_followed(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    write(journal, "old")
    with journal.open() as reader:
        assert messages(read_some(reader, 1)) == ["old"]
        assert reader.read(10) == []
        journald.stop()
        for folder in journald.folders:
            shutil.rmtree(folder)
        assert reader.read(10) == []
        journald.start()
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]
        assert reader.gap is not None
        assert reader.gap.count is None
