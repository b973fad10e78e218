"""Journals without journald; a real journald is in tests/integration/test_doctor_services.py."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notifications.doctor import Finding, journald_advice
from notifications.doctor import journal as examined
from notifications.journal.journald import journal
from tests.support.rights import by_modes

Only = Callable[[str], Finding]


def test_a_file_journal_is_not_written(only: Only, settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = (tmp_path / "journal").as_uri()
    assert only("journal").text.endswith("this user may write and read it")
    assert only("text-journal").text == "plain lines of other programs are not read"
    assert not (tmp_path / "journal").exists()


def test_a_file_journal_that_may_not_be_written(only: Only, settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o500)
    settings.NOTIFICATIONS_JOURNAL_URL = folder.as_uri()
    finding = by_modes(lambda: only("journal"))
    assert finding.result == "FAILED"
    assert "chmod -R u+rwX" in finding.advice


def test_the_memory_of_a_process_is_for_tests(only: Only, settings: Any) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = "memory://"
    assert "set journald:// or file://" in only("journal").advice


def test_no_journal_at_all(only: Only, settings: Any) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = "syslog://"
    finding = only("journal")
    assert "names no journal" in finding.text
    assert finding.advice == "Mend NOTIFICATIONS_JOURNAL_URL."


def test_a_namespace_that_is_not_there(only: Only, settings: Any) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = "journald://nosuch"
    finding = only("journal")
    assert finding.text == "journald://nosuch: there is no socket /run/systemd/journal.nosuch/socket"
    assert "NOTIFICATIONS_JOURNAL_URL" in finding.advice


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """Where the engine looks for journald's socket."""
    monkeypatch.setattr(journal, "SOCKETS", str(tmp_path))
    settings.NOTIFICATIONS_JOURNAL_URL = "journald://shop"
    path = tmp_path / "journal.shop" / "socket"
    path.parent.mkdir()
    return path


@pytest.fixture
def listening(socket_path: Path) -> Iterator[Path]:
    """A journald that takes entries, and stores none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(socket_path))
        yield socket_path


def test_a_journald_that_has_ended(only: Only, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ended:
        ended.bind(str(socket_path))
    finding = only("journal")
    assert finding.text.startswith("journald://shop takes no entry: ")
    assert "systemctl restart systemd-journald@shop.service" in finding.advice


def test_a_socket_that_is_not_for_this_user(only: Only, listening: Path) -> None:
    listening.chmod(0)
    finding = by_modes(lambda: only("journal"))
    assert finding.text == "journald://shop takes no entry: Permission denied"
    assert f" may not write to {listening} (group " in finding.advice
    assert finding.advice.endswith(", mode 0): let it into that group, or run this as its user.")


@pytest.mark.usefixtures("listening")
def test_entries_that_this_user_may_not_read(only: Only, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether journalctl is there and prints nothing, or is not there."""
    folder = tmp_path / "entries"
    folder.mkdir(mode=0o300)
    monkeypatch.setattr(examined, "PATIENCE", 0.2)
    monkeypatch.setattr(journald_advice, "journal_paths", lambda _: [tmp_path / "missing", folder])
    finding = by_modes(lambda: only("journal"))
    assert "cannot be read: " in finding.text or "none can be read back" in finding.text
    assert f" may not read {folder} (group " in finding.advice
    assert finding.advice.endswith(", mode 300): let it into that group, or run this as its user.")
    folder.chmod(0o500)
    assert by_modes(lambda: only("journal")).advice.startswith("Does it run (systemctl status systemd-journald@shop")
