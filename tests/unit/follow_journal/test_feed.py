from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from notifications.events.event import Event
from notifications.follow_journal.feed import Feed, Found
from notifications.follow_journal.shared_reader import READ
from notifications.journal import Entry, MemoryJournal, Reader, as_text


def parse(entry: Entry) -> Event | None:
    text = as_text(entry.fields["MESSAGE"])
    return None if text.startswith("-") else Event("SLACK", text, datetime.now(UTC))


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


def write(journal: MemoryJournal, *texts: str) -> None:
    for text in texts:
        journal.write(journal.encode({"MESSAGE": text}))


def feed(journal: MemoryJournal, **options: Any) -> Feed[Event]:
    return Feed(journal, parse, **{"after": None, "since": None, "follow": True, **options})


def texts(batch: Found[Event] | None) -> list[str]:
    assert batch is not None
    return [event.text for event, _ in batch.items]


def batches(read: Feed[Event], size: int) -> Iterator[Found[Event]]:
    while batch := read.next(size):
        yield batch


def test_batches_are_in_order_and_complete(journal: MemoryJournal) -> None:
    write(journal, *(f"{n}" for n in range(READ + 7)))
    found = list(batches(feed(journal), 3))
    assert [text for batch in found for text in texts(batch)] == [f"{n}" for n in range(READ + 7)]
    assert max(len(batch.items) for batch in found) == 3


def test_a_batch_ends_behind_its_last_event(journal: MemoryJournal) -> None:
    write(journal, "-", "a", "-", "b", "-", "-")
    read = feed(journal)
    assert [(texts(batch), batch.last.position) for batch in batches(read, 1)] == [
        (["a"], "2"),
        (["b"], "4"),
        ([], "6"),
    ]


def test_nothing_is_there(journal: MemoryJournal) -> None:
    read = feed(journal)
    assert read.next(10) is None
    assert not read.exhausted
    assert read.interval > 0
    write(journal, "a")
    assert texts(read.next(10)) == ["a"]


def test_the_end_without_follow(journal: MemoryJournal) -> None:
    write(journal, "a", "b")
    read = feed(journal, follow=False)
    assert not read.exhausted
    assert texts(read.next(1)) == ["a"]
    assert not read.exhausted
    assert texts(read.next(1)) == ["b"]
    assert read.next(1) is None
    assert read.exhausted


def test_goes_on_after_a_position(journal: MemoryJournal) -> None:
    write(journal, "a", "b", "c")
    assert texts(feed(journal, after="2").next(10)) == ["c"]


def test_since(journal: MemoryJournal) -> None:
    write(journal, "a")
    assert feed(journal, since=datetime.now(UTC) + timedelta(hours=1), follow=False).next(10) is None
    assert texts(feed(journal, since=datetime.now(UTC) - timedelta(hours=1)).next(10)) == ["a"]


def test_a_gap_is_passed_on_and_reading_goes_on(journal: MemoryJournal) -> None:
    write(journal, "a", "b")
    read = feed(journal)
    assert texts(read.next(10)) == ["a", "b"]
    write(journal, "c")
    journal.clear()
    write(journal, "d")
    assert texts(read.next(10)) == ["d"]
    assert [gap.position for gap in read.gaps] == ["2"]


def test_a_position_that_cannot_be_read_is_a_gap_from_the_oldest_entry(journal: MemoryJournal) -> None:
    write(journal, "a")
    read = feed(journal, after="s=5; garbage")
    assert texts(read.next(10)) == ["a"]
    assert [gap.position for gap in read.gaps] == ["s=5; garbage"]
    assert "started at the oldest entry" in read.gaps[0].reason


class Failing(MemoryJournal):
    """Fails to open, or its readers to read, as often as is said."""

    def __init__(self) -> None:
        super().__init__()
        self.open_fails = self.read_fails = 0
        self.closed: list[Reader] = []

    def open(self, **options: Any) -> Any:
        if self.open_fails:
            self.open_fails -= 1
            raise OSError("open")
        journal, reader = self, super().open(**options)

        class Breaking(Reader):
            def read(self, limit: int) -> list[Entry]:
                if journal.read_fails:
                    journal.read_fails -= 1
                    raise OSError("read")
                return reader.read(limit)

            def fileno(self) -> int | None:
                return None

            def close(self) -> None:
                journal.closed.append(self)

        return Breaking()


OFTEN: Final = 3


def test_a_reader_that_fails_is_closed_and_another_goes_on_where_it_was() -> None:
    journal = Failing()
    write(journal, "a")
    read = feed(journal)
    assert texts(read.next(10)) == ["a"]
    write(journal, "b")
    journal.read_fails = OFTEN
    for _ in range(OFTEN):
        with pytest.raises(OSError, match="read"):
            read.next(10)
    assert len(journal.closed) == OFTEN
    assert texts(read.next(10)) == ["b"]
    read.close()
    assert len(journal.closed) == OFTEN + 1


def test_a_journal_that_cannot_be_opened() -> None:
    journal = Failing()
    write(journal, "a")
    journal.open_fails = OFTEN
    read = feed(journal)
    for _ in range(OFTEN):
        with pytest.raises(OSError, match="open"):
            read.next(10)
    assert read.fileno() is None
    assert not read.exhausted
    assert texts(read.next(10)) == ["a"]


def test_what_was_read_already_survives_a_failure() -> None:
    journal = Failing()
    write(journal, "a", "b")
    read = feed(journal)
    assert texts(read.next(1)) == ["a"]
    journal.read_fails = 1
    assert texts(read.next(1)) == ["b"]
    with pytest.raises(OSError, match="read"):
        read.next(1)
    assert read.next(1) is None


def test_nothing_is_taken_from_behind_until(journal: MemoryJournal) -> None:
    write(journal, "a", "-", "b", "c")
    read = feed(journal)
    found = read.next(10, until=Entry("2", 0, {}))
    assert (texts(found), found and found.last.position) == (["a"], "2")
    assert texts(read.next(10, until=Entry("3", 0, {}))) == ["b"]
    assert texts(read.next(10)) == ["c"]


def test_rewinds_to_a_position(journal: MemoryJournal) -> None:
    write(journal, "a", "b", "c")
    read = feed(journal)
    assert texts(read.next(10)) == ["a", "b", "c"]
    read.rewind("1")
    assert texts(read.next(10)) == ["b", "c"]
    read.rewind(None)
    assert texts(read.next(1)) == ["a"]


def test_rewinds_to_where_it_began(journal: MemoryJournal) -> None:
    write(journal, "old")
    since = datetime.now(UTC) + timedelta(microseconds=1)
    write(journal, "new")
    read = feed(journal, since=since)
    first = texts(read.next(10))
    read.rewind(None)
    assert texts(read.next(10)) == first == ["new"]


def test_entries_that_are_too_large_are_counted_apart(journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    write(journal, "a")
    read = feed(journal)
    monkeypatch.setattr(Reader, "oversized", 2)
    assert texts(read.next(10)) == ["a"]
    assert (read.oversized, read.gaps) == (2, [])
