"""Chores beside the handling of payloads."""

import logging
from pathlib import Path

import pytest
from django.db import OperationalError

from notifications.bodies import deletion_notes
from notifications.process_raw.chores import chores
from notifications.workers.housekeeping import RETRY_INTERVAL, Chore, Housekeeper
from notifications.workers.loop import Stop
from tests.support.bodies import make_notes_due

pytestmark = pytest.mark.usefixtures("sqlite_file")


def keep_house(stop: Stop, *chores: Chore, drain: bool = False) -> float | None:
    keeper = Housekeeper(stop, chores=chores, drain=drain)
    try:
        return keeper.poll()
    finally:
        keeper.close()


@pytest.mark.parametrize(
    ("error", "level"),
    [(OperationalError("away"), "WARNING"), (OSError("no disk"), "WARNING"), (ValueError("bug"), "ERROR")],
)
def test_a_chore_that_fails_holds_up_no_other(
    error: Exception, level: str, stop: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> float:
        raise error

    done: list[str] = []
    failing, other = Chore("fails", fail), Chore("works", lambda: done.append("x") or 5.0)  # type: ignore[func-returns-value]
    delay = keep_house(stop, failing, other)
    assert done == ["x"]
    assert delay is not None
    assert 0 < delay <= 1.0  # it is tried again
    (record,) = [record for record in caplog.records if "fails" in record.getMessage()]
    assert record.levelname == level
    assert bool(record.exc_info) == (level == "ERROR")


def test_one_process_of_a_machine_keeps_house(stop: Stop) -> None:
    first, second = (Housekeeper(stop, chores=[Chore("one", lambda: 5.0)]) for _ in range(2))
    assert first.poll() != RETRY_INTERVAL
    assert second.poll() == RETRY_INTERVAL
    first.close()
    assert second.poll() != RETRY_INTERVAL
    second.close()


def test_drained_once_nothing_is_left_to_do_now(stop: Stop) -> None:
    left = [0.0, 0.0, 9.0]
    keeper = Housekeeper(stop, chores=[Chore("some", lambda: left.pop(0))], drain=True)
    assert [keeper.poll(), keeper.poll(), keeper.poll()] == [0.0, 0.0, None]
    keeper.close()


def test_a_note_that_is_no_text_ends_nothing(stop: Stop, caplog: pytest.LogCaptureFixture) -> None:
    note: Path = deletion_notes.write(["x"])
    note.write_bytes(b"\xff\xfe")
    make_notes_due()
    with caplog.at_level(logging.ERROR):
        assert keep_house(stop, *chores()) is not None
    assert "UnicodeDecodeError" in caplog.text
