"""The outbox over a journal that fails: nothing waits, order is kept, memory is bounded, losses are told."""

import errno
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Final

import pytest

from notifications.events import outbox as outbox_module
from notifications.events.outbox import Losses, Outbox
from notifications.journal import EntryTooLarge, MemoryJournal, as_text
from tests.support.journals import exit_code, in_child, messages, read_all
from tests.support.tell import FlakyJournal
from tests.support.wait import wait_for

DEADLINE: Final = 20.0
DOWN: Final = [
    BlockingIOError(errno.EAGAIN, "the socket is full"),
    ConnectionRefusedError(errno.ECONNREFUSED, "journald is restarting"),
    FileNotFoundError(errno.ENOENT, "there is no journald"),
]


class LostEntries:
    """Numbers the entries that it makes."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, reason: str, count: int, since: datetime, until: datetime) -> Mapping[str, str]:
        assert since <= until
        self.made += 1
        return {"MESSAGE": f"LOST: {count} events: {reason}"}


@pytest.fixture
def journal() -> FlakyJournal:
    return FlakyJournal()


@pytest.fixture
def lost() -> LostEntries:
    return LostEntries()


@pytest.fixture
def outbox(journal: FlakyJournal, lost: LostEntries) -> Iterator[Outbox]:
    made = Outbox(journal, lost)
    yield made
    journal.error = None
    assert made.flush(DEADLINE)


def told(journal: MemoryJournal) -> list[str]:
    return messages(read_all(journal.open(follow=False)))


def write(outbox: Outbox, *texts: str) -> None:
    for text in texts:
        outbox.write({"MESSAGE": text})


def test_writes_at_once(journal: FlakyJournal, outbox: Outbox) -> None:
    write(outbox, "a", "b")
    assert told(journal) == ["a", "b"]


@pytest.mark.parametrize("error", DOWN, ids=lambda error: type(error).__name__)
def test_what_waits_arrives_in_order(journal: FlakyJournal, outbox: Outbox, error: OSError) -> None:
    write(outbox, "before")
    journal.error = error
    write(outbox, *(f"{n}" for n in range(100)))
    assert told(journal) == ["before"]
    journal.error = None
    write(outbox, "after")
    assert outbox.flush(DEADLINE)
    assert told(journal) == ["before", *(f"{n}" for n in range(100)), "after"]


def test_nothing_passes_what_waits(journal: FlakyJournal, outbox: Outbox) -> None:
    journal.error = DOWN[0]
    write(outbox, "first")
    refused = journal.refused
    write(outbox, "second")
    wait_for(lambda: journal.refused > refused, message="another try")
    journal.error = None
    write(outbox, "third")
    assert outbox.flush(DEADLINE)
    assert told(journal) == ["first", "second", "third"]


def test_a_full_queue_drops_counts_and_tells_once(
    journal: FlakyJournal, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record = journal.encode({"MESSAGE": "0"})
    monkeypatch.setattr(outbox_module, "QUEUE_BYTES", len(record) * 10)
    small = Outbox(journal, LostEntries())
    journal.error = DOWN[0]
    write(small, *("0123456789012345"[n] for n in range(10)), *["x"] * 990)
    journal.error = None
    with caplog.at_level(logging.WARNING):
        assert small.flush(DEADLINE)
    write(small, "after")
    reason = "the journal took nothing until the queue was full"
    assert told(journal) == [*"0123456789", f"LOST: 990 events: {reason}", "after"]
    assert f"990 events were lost: {reason}" in caplog.text


def test_later_losses_are_told_again(journal: FlakyJournal, lost: LostEntries, outbox: Outbox) -> None:
    for count in (1, 2):
        for _ in range(count):
            outbox.count_loss("why")
        assert outbox.flush(DEADLINE)
    # How many of the last two fell into one report is up to the thread.
    assert told(journal) in (
        ["LOST: 1 events: why", "LOST: 2 events: why"],
        ["LOST: 1 events: why", "LOST: 1 events: why", "LOST: 1 events: why"],
    )
    assert lost.made == len(told(journal))


def test_a_report_is_made_once_however_often_it_is_tried(
    journal: FlakyJournal, lost: LostEntries, outbox: Outbox
) -> None:
    journal.error = DOWN[0]
    outbox.count_loss("why")
    wait_for(lambda: journal.refused >= 3, message="three tries")
    assert lost.made == 1
    journal.error = None
    assert outbox.flush(DEADLINE)
    assert told(journal) == ["LOST: 1 events: why"]
    assert lost.made == 1


def test_losses_that_cannot_be_told_do_not_pile_up(journal: FlakyJournal, outbox: Outbox) -> None:
    journal.error = DOWN[0]
    write(outbox, "waits")
    for _ in range(10_000):
        outbox.count_loss("why")
    assert len(outbox.queue) == 2  # what waits, and one report
    journal.error = None
    assert outbox.flush(DEADLINE)
    assert told(journal) == ["waits", "LOST: 10000 events: why"]


class Picky(FlakyJournal):
    """What is huge is too large for it, once it is not down."""

    def write(self, record: bytes) -> None:
        if b"huge" in record and self.error is None:
            raise EntryTooLarge("never")
        super().write(record)


@pytest.mark.parametrize("error", [None, DOWN[0]], ids=["at once", "later"])
def test_what_is_too_large_is_lost_and_told(error: OSError | None) -> None:
    picky = Picky()
    picky.error = error
    box = Outbox(picky, LostEntries())
    write(box, "a", "b", "huge")
    picky.error = None
    assert box.flush(DEADLINE)
    assert box.flush(DEADLINE)
    assert told(picky) == ["a", "b", "LOST: 1 events: larger than the journal takes"]


def test_a_forked_child_tells_neither_the_events_nor_the_losses_of_its_parent(
    journal: FlakyJournal, outbox: Outbox
) -> None:
    journal.error = DOWN[0]
    write(outbox, "parent's")
    outbox.count_loss("parent's")

    def child() -> None:
        journal.error = None
        write(outbox, "child's")
        assert outbox.flush(DEADLINE)
        assert told(journal) == ["child's"]

    assert exit_code(in_child(child)) == 0
    journal.error = None
    assert outbox.flush(DEADLINE)
    assert told(journal) == ["parent's", "LOST: 1 events: parent's"]


def test_a_fork_while_another_thread_counts_a_loss(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    counting, may_count = threading.Event(), threading.Event()

    class Clock:
        """Is asked for the time of a reason's first loss, in the middle of the count."""

        def now(self, zone: tzinfo) -> datetime:
            counting.set()
            assert may_count.wait(DEADLINE)
            return datetime.now(zone)

    def child() -> None:
        may_count.set()
        signal.alarm(30)
        outbox.count_loss("child's")

    with monkeypatch.context() as patch:
        patch.setattr(outbox_module, "datetime", Clock())
        thread = threading.Thread(target=outbox.count_loss, args=["parent's"])
        thread.start()
        assert counting.wait(DEADLINE)
        assert exit_code(in_child(child)) == 0
        may_count.set()
        thread.join(DEADLINE)


class Ends:
    """Makes last entries with a number, as many as are asked for."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Mapping[str, str]:
        self.made += 1
        return {"MESSAGE": f"END {self.made}"}


def test_the_end_comes_last_and_once(journal: FlakyJournal, outbox: Outbox) -> None:
    write(outbox, "a")
    outbox.end(Ends())
    assert not outbox.queue.has_thread  # a thread is not needed
    assert told(journal) == ["a", "END 1"]


def test_what_is_given_up_is_lost_by_number_before_the_end(journal: FlakyJournal, outbox: Outbox) -> None:
    write(outbox, "arrives")
    journal.error = DOWN[0]
    write(outbox, *"abc")
    outbox.count_loss("earlier")
    assert outbox.queue.give_up(DEADLINE)
    journal.error = None
    outbox.end(Ends())
    arrived, *losses, end = told(journal)
    assert (arrived, end) == ("arrives", "END 1")
    assert sorted(losses) == ["LOST: 1 events: earlier", f"LOST: 3 events: {outbox_module.ENDED}"]


def test_an_end_that_cannot_be_written_is_logged(
    journal: FlakyJournal, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with the number of all events that are lost; the reports are kept, in their order."""
    monkeypatch.setattr(outbox_module, "END_SECONDS", 0.01)
    ends = Ends()
    journal.error = DOWN[0]
    write(outbox, *"abc")
    outbox.count_loss("earlier")
    assert outbox.queue.give_up(DEADLINE)
    for _ in range(2):
        outbox.end(ends)
    expected = "4 events are lost: the process exits, and the journal does not take its report"
    assert [text for text in caplog.messages if "process exits" in text] == [expected]
    assert ends.made == 0
    journal.error = None
    assert outbox.flush(DEADLINE)
    *losses, end = told(journal)
    assert end == "END 1"
    assert len(losses) == 2


def test_a_loss_counted_while_another_is_told_is_told_too(lost: LostEntries, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is each one after it, though the report that it asked for found nothing left to say."""

    class Loses(FlakyJournal):
        def write(self, record: bytes) -> None:
            super().write(record)
            if not meanwhile.is_alive():
                meanwhile.start()
                assert added.wait(DEADLINE)

    def add_slowly(losses: Losses, reason: str) -> None:
        add(losses, reason)
        if reason == "meanwhile":
            added.set()
            assert told_all.wait(DEADLINE)  # and then it asks for a report, too late

    added, told_all, add = threading.Event(), threading.Event(), Losses.add
    monkeypatch.setattr(Losses, "add", add_slowly)
    loses = Loses()
    box = Outbox(loses, lost)
    meanwhile = threading.Thread(target=box.count_loss, args=["meanwhile"])
    box.count_loss("first")
    assert box.flush(DEADLINE)
    told_all.set()
    meanwhile.join(DEADLINE)
    assert box.flush(DEADLINE)
    box.count_loss("later")
    assert box.flush(DEADLINE)
    assert told(loses) == [f"LOST: 1 events: {reason}" for reason in ("first", "meanwhile", "later")]


def test_newlines_and_surrogates_pass(journal: FlakyJournal, outbox: Outbox) -> None:
    journal.error = DOWN[0]
    write(outbox, "a\nb\0\ud800")
    journal.error = None
    assert outbox.flush(DEADLINE)
    (entry,) = read_all(journal.open(follow=False))
    assert as_text(entry.fields["MESSAGE"]) == "a\nb\0\ud800"
