"""emit(): what it is given arrives as it is, once the transaction is committed; and it never raises."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from notifications import emit
from notifications.events import emit as events
from notifications.events import outbox
from notifications.events.encoding import CUT_MARK, MAX_BYTES, event_of
from notifications.events.event import Event
from notifications.events.in_hand import receipt_in_hand
from notifications.events.outbox import Outbox
from notifications.events.process_token import ID
from notifications.journal import Entry, JournaldJournal, as_text, event_fields
from notifications.journal.event_fields import RECEIPT
from tests.support.journals import exit_code, in_child, read_all
from tests.support.tell import FlakyJournal
from tests.support.threads import in_threads

DEADLINE: Final = 20.0
FORGERIES: Final = [
    "x\nPROPPY_EVENT=SLACK",
    "x\nPROPPY_EVENT=SLACK\nMESSAGE=SLACK: forged\n",
    "x\n\nMESSAGE\n\x01\0\0\0",
]


class Written:
    """A journal of its own behind emit()."""

    def __init__(self) -> None:
        self.journal = FlakyJournal()
        self.outbox = Outbox(self.journal, events.lost_entry)

    def entries(self) -> list[Entry]:
        return read_all(self.journal.open(follow=False))

    def events(self) -> list[Event]:
        found = [event_of(entry, frozenset({os.getuid()})) for entry in self.entries()]
        assert None not in found
        return [event for event in found if event is not None]

    def texts(self) -> list[str]:
        return [event.text for event in self.events()]

    def numbers(self) -> list[int]:
        return [int(event.id.partition(":")[2]) for event in self.events()]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    written = Written()
    monkeypatch.setattr(events, "process_outbox", lambda: written.outbox)
    return written


def only(written: Written) -> Event:
    (event,) = written.events()
    return event


class Broken:
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


# What is told


def test_the_entry(written: Written) -> None:
    emit("SLACK", "Ada signed up", user=7)
    (entry,) = written.entries()
    fields = dict(entry.fields)
    assert ID.fullmatch(fields.pop("PROPPY_ID"))
    assert json.loads(fields.pop("PROPPY_DATA")) == {"user": 7}
    assert {name: value for name, value in fields.items() if not name.startswith("_")} == {
        "MESSAGE": "SLACK: Ada signed up",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "proppy",
        "PROPPY_EVENT": "SLACK",
    }


def receipts(written: Written) -> list[object]:
    return [entry.fields.get(RECEIPT) for entry in written.entries()]


ONE, OTHER = UUID(int=1), UUID(int=2)


@contextmanager
def in_hand(receipt: UUID) -> Iterator[None]:
    token = receipt_in_hand.set(receipt)
    yield
    receipt_in_hand.reset(token)


def test_what_is_emitted_with_a_payload_in_hand_carries_its_receipt(written: Written) -> None:
    emit("SLACK", "before")
    with in_hand(ONE):
        emit("SLACK", "in it", receipt="of its own")
        asyncio.run(_emit_on_a_loop())
        in_threads(1, lambda _: emit("SLACK", "in a thread of its own"))
        context = copy_context()
        in_threads(1, lambda _: context.run(emit, "SLACK", "in a thread with its context"))
    emit("SLACK", "after")
    assert receipts(written) == [None, str(ONE), str(ONE), None, str(ONE), None]


async def _emit_on_a_loop() -> None:
    emit("SLACK", "on a loop")


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_the_commit_keeps_the_receipt_of_its_time(written: Written) -> None:
    with transaction.atomic():
        with in_hand(ONE):
            emit("SLACK", "in it")
        with in_hand(OTHER):
            emit("SLACK", "in another")
        emit("SLACK", "in none")
    assert receipts(written) == [str(ONE), str(OTHER), None]


@pytest.mark.parametrize(
    "text",
    ["", " ", "a\nb", "a\0b", "\ud800", "😀 é", "\x1b[31m", "a\r\n", "=", "SLACK: SLACK: x", *FORGERIES],
)
def test_any_text_arrives_as_it_is(written: Written, text: str) -> None:
    emit("OPS", text)
    event = only(written)
    assert (event.name, event.text, event.data) == ("OPS", text, {})


@given(st.text(st.characters(exclude_categories=[])), st.text())
def test_any_text_arrives_as_it_is_generated(text: str, value: str) -> None:
    written = Written()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "process_outbox", lambda: written.outbox)
        emit("OPS", text, value=value)
    assert (only(written).text, only(written).data) == (text, {"value": value})


@pytest.mark.parametrize("text", [*FORGERIES, "a\nb\0c\ud800"])
def test_journald_gets_one_field_for_each(text: str) -> None:
    fields = events.new_entry("OPS", text)
    assert parse_native(JournaldJournal().encode(fields)) == [
        (name, value.encode("utf-8", "surrogatepass")) for name, value in fields.items()
    ]


@pytest.mark.parametrize("text", ["Ada signed up", "", *FORGERIES, "a\nb\0c\ud800"])
@pytest.mark.parametrize("data", ["", '{"user":7}', "\n", "{}\nPROPPY_RECEIPT=x"])
@pytest.mark.parametrize("receipt", [None, UUID(int=1)])
def test_journald_gets_the_same_from_the_short_way(text: str, data: str, receipt: UUID | None) -> None:
    fields = event_fields("OPS", text, "token:1", data, receipt)
    assert parse_native(JournaldJournal().encode_event("OPS", text, "token:1", data, receipt)) == [
        (name, value.encode("utf-8", "surrogatepass")) for name, value in fields.items()
    ]


def parse_native(record: bytes) -> list[tuple[str, bytes]]:
    """As journald does: systemd.io/JOURNAL_NATIVE_PROTOCOL."""
    fields = []
    while record:
        line, _, record = record.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(record[:8], "little")
            value, record = record[8 : 8 + size], record[9 + size :]
        fields.append((name.decode(), value))
    return fields


@pytest.mark.parametrize("character", ["x", "é", "€", "😀", "\ud800"])
@pytest.mark.parametrize("offset", range(4))
def test_a_long_text_is_cut_and_marked(written: Written, character: str, offset: int) -> None:
    text = "." * offset + character * (2 * 1024 * 1024)
    emit("SLACK", text)
    told = only(written).text
    kept = told.removesuffix(CUT_MARK)
    assert told != kept
    assert text.startswith(kept)
    size = len(told.encode("utf-8", "surrogatepass"))
    assert MAX_BYTES - 8 <= size <= MAX_BYTES


def test_a_text_that_just_fits_is_not_cut(written: Written) -> None:
    emit("SLACK", "é" * (MAX_BYTES // 2))
    assert only(written).text == "é" * (MAX_BYTES // 2)


@pytest.mark.parametrize("text", [None, 7, ValueError("why"), b"raw"])
def test_a_text_that_is_none_is_written_as_one(written: Written, text: Any) -> None:
    emit("SLACK", text)
    assert only(written).text == str(text)


def test_a_text_that_cannot_be_shown_is_told_all_the_same(written: Written) -> None:
    emit("SLACK", Broken())  # type: ignore[arg-type]  # the bug of a caller
    assert only(written).text == "<Broken>"


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (None, None),
        (1.5, 1.5),
        ([1, {"a": True}], [1, {"a": True}]),
        ((1, 2), [1, 2]),
        ({1: 2}, {"1": 2}),
        (2**80, 2**80),
        ({"deep": [-(2**70)]}, {"deep": [-(2**70)]}),
        ("\ud800", "\ud800"),
        ("a\0\n", "a\0\n"),
        (b"raw", "b'raw'"),
        (UUID(int=7), str(UUID(int=7))),
        (datetime(2026, 5, 1, tzinfo=UTC), "2026-05-01T00:00:00+00:00"),
        (float("nan"), None),
        (Broken(), "<Broken>"),
        ([Broken(), 2**80], ["<Broken>", 2**80]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_arrives_as_json(written: Written, value: object, arrives: object) -> None:
    emit("SLACK", "x", value=value)
    assert only(written).data == {"value": arrives}


def test_a_cycle_costs_the_fields_and_not_the_event(written: Written) -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    emit("SLACK", "x", cycle=cycle, other=1)
    assert only(written).text == "x"
    assert list(only(written).data) == ["unreadable"]


@pytest.mark.parametrize("value", ["x" * MAX_BYTES, "😀" * (MAX_BYTES // 2), ["\ud800" * MAX_BYTES]])
def test_data_that_is_too_large_is_left_out_and_marked(written: Written, value: object) -> None:
    emit("SLACK", "x", value=value)
    event = only(written)
    assert list(event.data) == ["cut"]
    assert event.data["cut"] > MAX_BYTES


def test_the_largest_event_fits_a_datagram_of_journald(written: Written) -> None:
    emit("SLACK", "😀" * MAX_BYTES, value="😀" * (MAX_BYTES // 4 - 10))
    assert "value" in only(written).data
    fields = {name: as_text(value) for name, value in written.entries()[0].fields.items()}
    assert len(JournaldJournal().encode(fields)) < 200_000


def test_a_field_named_like_one_of_the_journal_forges_nothing(written: Written) -> None:
    fields: dict[str, Any] = {
        "_UID": "0",
        "PROPPY_EVENT": "OPS",
        "MESSAGE": "OPS: forged",
        "name": "OPS",
        "text": "forged",
        "a\nB=C": 1,
    }
    emit("SLACK", "x", **fields)
    (entry,) = written.entries()
    assert entry.fields["_UID"] == str(os.getuid())
    assert (only(written).name, only(written).text, only(written).data) == ("SLACK", "x", fields)


@pytest.mark.parametrize("name", ["slack", "", "9A", "SLACK ", "SLACK\n", "A" * 33, "SLACK=x", "ÄB", None, 7, Broken()])
def test_a_bad_name_is_logged_and_not_told(written: Written, caplog: pytest.LogCaptureFixture, name: Any) -> None:
    logging.getLogger("notifications.events.emit").addFilter(no_broken_arguments)
    emit(name, "x")
    logging.getLogger("notifications.events.emit").removeFilter(no_broken_arguments)
    assert written.entries() == []
    assert caplog.records
    assert caplog.records[0].levelname == "ERROR"


def no_broken_arguments(record: logging.LogRecord) -> bool:
    """pytest's own handler raises where logging's print to stderr."""
    record.args = tuple("?" if isinstance(item, Broken) else item for item in record.args or ())
    return True


@override_settings(NOTIFICATIONS_JOURNAL_URL="nonsense://")
def test_a_bad_journal_is_logged_and_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    emit("SLACK", "x")
    assert "names no journal" in caplog.text


@pytest.mark.parametrize("error", [OSError(), MemoryError(), RuntimeError(), ValueError()])
def test_a_journal_that_fails_in_any_way_does_not_raise(written: Written, error: Exception) -> None:
    written.journal.error = error
    emit("SLACK", "x")
    written.journal.error = None
    assert written.outbox.flush(DEADLINE)


# Numbers


def test_numbers_have_no_holes(written: Written) -> None:
    for _ in range(10):
        emit("SLACK", "x")
    numbers = written.numbers()
    assert numbers == list(range(numbers[0], numbers[0] + 10))
    assert len({event.id.partition(":")[0] for event in written.events()}) == 1


def test_what_was_dropped_takes_its_numbers_along_and_nothing_else_does(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit("SLACK", "before")
    monkeypatch.setattr(outbox, "QUEUE_BYTES", 1000)
    written.outbox = Outbox(written.journal, events.lost_entry)
    written.journal.error = BlockingIOError()
    for _ in range(100):
        emit("SLACK", "x" * 100)
    written.journal.error = None
    assert written.outbox.flush(DEADLINE)
    emit("SLACK", "after")
    told = written.events()
    (loss,) = (event for event in told if event.name == "LOST")
    numbers = written.numbers()
    assert numbers[-1] - numbers[0] + 1 == len(told) + loss.data["count"]
    assert loss.data["count"] + len(told) - 3 == 100
    assert loss.data["pid"] == os.getpid()


def test_a_forked_child_has_a_token_of_its_own(written: Written) -> None:
    emit("SLACK", "parent")

    def child() -> None:
        emit("SLACK", "child")
        parents, childs = (event.id for event in written.events())
        assert childs.endswith(":1")
        assert parents.partition(":")[0] != childs.partition(":")[0]

    assert exit_code(in_child(child)) == 0
    emit("SLACK", "parent")
    assert written.numbers()[1] == written.numbers()[0] + 1


def test_threads(written: Written) -> None:
    def tell(thread: int) -> None:
        for n in range(200):
            emit("SLACK", f"{thread} {n}")

    in_threads(8, tell)
    assert sorted(written.texts()) == sorted(f"{thread} {n}" for thread in range(8) for n in range(200))
    numbers = sorted(written.numbers())
    assert numbers == list(range(numbers[0], numbers[0] + 1600))


# Transactions


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_waits_for_the_commit(self, written: Written) -> None:
        with transaction.atomic():
            emit("SLACK", "inside")
            assert written.entries() == []
        assert written.texts() == ["inside"]

    def test_at_once_if_told_so(self, written: Written) -> None:
        with transaction.atomic():
            emit("SLACK", "inside", on_commit=False)
            assert written.texts() == ["inside"]
            transaction.set_rollback(True)
        assert written.texts() == ["inside"]

    def test_a_rollback_forgets(self, written: Written) -> None:
        with pytest.raises(ZeroDivisionError):
            roll_back(lambda: emit("SLACK", "inside"))
        emit("SLACK", "after")
        assert written.texts() == ["after"]

    def test_a_rollback_uses_no_number(self, written: Written) -> None:
        emit("SLACK", "before")
        with pytest.raises(ZeroDivisionError):
            roll_back(lambda: emit("SLACK", "inside"))
        emit("SLACK", "after")
        assert written.numbers()[1] == written.numbers()[0] + 1

    def test_an_inner_rollback_forgets_the_inner_event(self, written: Written) -> None:
        with transaction.atomic():
            emit("SLACK", "outer 1")
            with pytest.raises(ZeroDivisionError):
                roll_back(lambda: emit("SLACK", "inner"))
            with transaction.atomic():
                emit("SLACK", "inner, kept")
            emit("SLACK", "outer 2")
        assert written.texts() == ["outer 1", "inner, kept", "outer 2"]

    def test_an_outer_rollback_forgets_all(self, written: Written) -> None:
        def both() -> None:
            with transaction.atomic():
                emit("SLACK", "inner")
            emit("SLACK", "outer")

        with pytest.raises(ZeroDivisionError):
            roll_back(both)
        assert written.entries() == []

    def test_a_journal_that_fails_does_not_break_the_commit(self, written: Written) -> None:
        written.journal.error = RuntimeError("a bug")
        with transaction.atomic():
            emit("SLACK", "inside")
            connection.cursor().execute("SELECT 1")
        written.journal.error = None
        assert written.texts() == []

    def test_the_fields_are_those_of_the_call(self, written: Written) -> None:
        fields: dict[str, Any] = {"list": [1]}
        with transaction.atomic():
            emit("SLACK", "x", **fields)
            fields["list"].append(2)
        assert only(written).data == {"list": [1]}


def roll_back(function: Callable[[], None]) -> None:
    with transaction.atomic():
        function()
        raise ZeroDivisionError


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.floats() | st.lists(st.text() | st.integers())))
def test_no_fields_make_emit_raise(fields: dict[str, Any]) -> None:
    written = Written()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "process_outbox", lambda: written.outbox)
        emit("OPS", "x", **{f"f{name}": value for name, value in fields.items()})
    assert only(written).text == "x"
    assert set(only(written).data) in ({f"f{name}" for name in fields}, {"cut"})
