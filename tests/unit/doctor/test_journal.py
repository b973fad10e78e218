"""Journals without journald; a real journald is in tests/integration/test_doctor_services.py."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notifications.doctor import Finding
from notifications.journal.journald import journal

Only = Callable[[str], Finding]


def test_a_file_journal_is_not_written(only: Only, settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = (tmp_path / "journal").as_uri()
    assert only("journal").text.endswith("this user may write and read it")
    assert only("text-journal").text == "plain lines of other programs are not read"
    assert not (tmp_path / "journal").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may do anything")
def test_a_file_journal_that_may_not_be_written(only: Only, settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o500)
    settings.NOTIFICATIONS_JOURNAL_URL = folder.as_uri()
    finding = only("journal")
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


def test_a_journald_that_has_ended(only: Only, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ended:
        ended.bind(str(socket_path))
    finding = only("journal")
    assert finding.text.startswith("journald://shop takes no entry: ")
    assert "systemctl restart systemd-journald@shop.service" in finding.advice


@pytest.mark.skipif(os.getuid() == 0, reason="root may do anything")
def test_a_socket_that_is_not_for_this_user(only: Only, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(socket_path))
        socket_path.chmod(0)
        finding = only("journal")
    assert finding.text == "journald://shop takes no entry: Permission denied"
    assert "let it into that group" in finding.advice
