"""emit() on an event loop: its thread touches no file, and nothing is lost or out of order."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from notifications import emit
from notifications.events import emit as events
from notifications.events.outbox import Outbox
from notifications.journal import FileJournal, JournaldJournal, MemoryJournal, as_text
from tests.support.journals import read_all

DEADLINE = 20.0


class Watched(FileJournal):
    """Notes which threads have written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.threads: set[int] = set()

    def write(self, record: bytes) -> None:
        self.threads.add(threading.get_ident())
        super().write(record)

    def messages(self) -> list[str]:
        return [as_text(entry.fields["MESSAGE"]) for entry in read_all(self.open(follow=False))]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    journal = Watched(tmp_path / "journal")
    outbox = Outbox(journal, events.lost_entry)
    monkeypatch.setattr(events, "process_outbox", lambda: outbox)
    yield journal
    assert outbox.queue.close(DEADLINE)
    journal.close()


def flush() -> None:
    assert events.process_outbox().flush(DEADLINE)


async def emit_many(name: str) -> None:
    for number in range(100):
        emit("OPS", f"{name} {number}")
        await asyncio.sleep(0)


def test_another_thread_writes(journal: Watched) -> None:
    asyncio.run(emit_many("a"))
    flush()
    assert threading.get_ident() not in journal.threads
    assert journal.messages() == [f"OPS: a {number}" for number in range(100)]


def test_without_a_loop_it_is_written_at_once(journal: Watched) -> None:
    emit("OPS", "x")
    assert journal.messages() == ["OPS: x"]
    assert journal.threads == {threading.get_ident()}


def test_what_is_emitted_after_a_loop_comes_after_it(journal: Watched) -> None:
    asyncio.run(emit_many("a"))
    emit("OPS", "last")
    flush()
    assert journal.messages()[-1] == "OPS: last"


def test_journals_without_files_are_written_to_at_once() -> None:
    """A datagram that never waits is cheaper than another thread."""
    assert not JournaldJournal().uses_files
    assert not MemoryJournal().uses_files


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_a_loop_inside_a_transaction_waits_for_its_commit(self, journal: Watched) -> None:
        with transaction.atomic():
            asyncio.run(emit_many("a"))
            flush()
            assert journal.messages() == []
            transaction.set_rollback(True)
        flush()
        assert journal.messages() == []

    def test_a_transaction_after_a_loop_is_waited_for(self, journal: Watched) -> None:
        """What the loop's thread knows of its connections must not be what a task had."""
        events.forget_connection()
        asyncio.run(emit_many("a"))
        flush()
        with transaction.atomic():
            emit("OPS", "inside")
            transaction.set_rollback(True)
        flush()
        assert "OPS: inside" not in journal.messages()

    def test_a_transaction_that_a_task_has_opened_is_waited_for(
        self, journal: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Django allows it only to those who ask for it, such as notebooks."""
        monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

        async def work() -> None:
            with transaction.atomic():
                emit("OPS", "inside")
                transaction.set_rollback(True)
            emit("OPS", "after")
            transaction.get_connection().close()

        asyncio.run(work())
        flush()
        assert journal.messages() == ["OPS: after"]


def test_any_value_arrives(journal: Watched) -> None:
    async def work(value: Any) -> None:
        emit("OPS", "x", value=value)

    asyncio.run(work({1: b"raw"}))
    flush()
    assert journal.messages() == ["OPS: x"]
