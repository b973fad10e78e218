"""The outbox over a journal that fails: nothing waits, order is kept, memory is bounded, losses are told."""

import errno
import logging
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import pytest

from notifications import outbox as outbox_module
from notifications.journal import EntryTooLarge, MemoryJournal, as_text
from notifications.outbox import Outbox
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
    assert len(outbox._queue) == 2  # what waits, and one report
    journal.error = None
    assert outbox.flush(DEADLINE)
    assert told(journal) == ["waits", "LOST: 10000 events: why"]


def test_what_is_too_large_is_lost_and_told(journal: FlakyJournal, outbox: Outbox) -> None:
    journal.error = EntryTooLarge("never")
    write(outbox, "a")
    journal.error = None
    assert outbox.flush(DEADLINE)
    assert [text for text in told(journal) if "LOST" in text] == ["LOST: 1 events: larger than the journal takes"]


def test_what_proves_too_large_later_is_lost_and_told(journal: FlakyJournal, outbox: Outbox) -> None:
    class Picky(FlakyJournal):
        def write(self, record: bytes) -> None:
            if b"huge" in record and self.error is None:
                raise EntryTooLarge("never")
            super().write(record)

    picky = Picky()
    picky.error = DOWN[0]
    box = Outbox(picky, LostEntries())
    write(box, "a", "huge", "b")
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


def test_a_fork_while_another_thread_counts_a_loss(journal: FlakyJournal, outbox: Outbox) -> None:
    with outbox._losses._lock:
        pid = os.fork()
        if not pid:
            import threading

            thread = threading.Thread(target=outbox.count_loss, args=["why"], daemon=True)
            thread.start()
            thread.join(DEADLINE)
            os._exit(thread.is_alive())
    assert exit_code(pid) == 0


def test_newlines_and_surrogates_pass(journal: FlakyJournal, outbox: Outbox) -> None:
    journal.error = DOWN[0]
    write(outbox, "a\nb\0\ud800")
    journal.error = None
    assert outbox.flush(DEADLINE)
    (entry,) = read_all(journal.open(follow=False))
    assert as_text(entry.fields["MESSAGE"]) == "a\nb\0\ud800"
