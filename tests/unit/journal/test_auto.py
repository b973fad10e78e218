"""JOURNAL_URL=auto: the first process decides for all that share a STATE_DIR."""

import logging
import stat
import threading
from pathlib import Path

import pytest

from notifications.journal import JournaldJournal
from notifications.journal.auto import chooses_journald
from tests.support.threads import in_threads


class Probe:
    """Stands for journald_works(); counts its calls."""

    def __init__(self, *, works: bool) -> None:
        self.works = works
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.works


@pytest.mark.parametrize("works", [True, False])
def test_later_processes_take_the_first_choice_without_a_probe(works: bool, tmp_path: Path) -> None:
    first, later = Probe(works=works), Probe(works=not works)
    state = tmp_path / "state"
    assert [chooses_journald(state, first), chooses_journald(state, later)] == [works, works]
    assert (first.calls, later.calls) == (1, 0)


def test_the_choice_is_its_owners_alone_and_leaves_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "state"
    chooses_journald(state, Probe(works=True))
    assert [path.name for path in state.iterdir()] == ["journal-auto"]
    assert stat.S_IMODE((state / "journal-auto").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_who_removes_the_file_decides_anew(tmp_path: Path) -> None:
    assert chooses_journald(tmp_path, Probe(works=True))
    (tmp_path / "journal-auto").unlink()
    assert not chooses_journald(tmp_path, Probe(works=False))
    assert (tmp_path / "journal-auto").read_text() == "file\n"


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def start(number: int) -> bool:
        def probe() -> bool:
            together.wait(10)
            return number % 2 == 0

        return chooses_journald(tmp_path, probe)

    assert len(set(in_threads(8, start))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["journal-auto"]


def test_journald_that_is_gone_stays_the_choice_and_the_log_says_what_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(JournaldJournal, "__init__", _without_a_socket)
    (tmp_path / "journal-auto").write_text("journald\n")
    with caplog.at_level(logging.WARNING):
        assert chooses_journald(tmp_path, Probe(works=False))
    assert str(tmp_path / "journal-auto") in caplog.text
    assert "events wait" in caplog.text


def _without_a_socket(journal: JournaldJournal) -> None:
    journal.socket_path = "/nowhere/socket"


def test_the_log_says_what_was_chosen_and_how_to_choose_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        chooses_journald(tmp_path, Probe(works=False))
    (record,) = caplog.records
    assert record.getMessage().startswith("NOTIFICATIONS_JOURNAL_URL = auto is file.")
    assert str(tmp_path / "journal-auto") in record.getMessage()


@pytest.mark.parametrize("text", [b"", b"\xff", b"journal"])
def test_what_nobody_wrote_is_the_file_journal_for_all(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "journal-auto").write_bytes(text)
    assert not chooses_journald(tmp_path, Probe(works=True))


@pytest.mark.parametrize("works", [True, False])
def test_where_the_choice_cannot_be_kept_it_is_this_process_own(
    works: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("no folder")
    assert chooses_journald(tmp_path / "state", Probe(works=works)) is works
    assert "cannot be kept" in caplog.text


def test_a_choice_that_cannot_be_written_is_probed_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError("a file system without hard links")

    monkeypatch.setattr("os.link", link)
    probe = Probe(works=True)
    assert chooses_journald(tmp_path, probe)
    assert probe.calls == 1
    assert list(tmp_path.iterdir()) == []
