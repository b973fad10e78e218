"""Limits, disks, the state folder, the spool, the workers, the versions."""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from notifications.doctor import Finding, state_folder
from notifications.workers.heartbeat import Heartbeat
from tests.support.disks import MIB, Disks
from tests.support.rights import by_modes

Examine = Callable[[str], tuple[list[Finding], int]]
Only = Callable[[str], Finding]


def test_versions(only: Only) -> None:
    finding = only("versions")
    assert finding.text.startswith("Python 3.")
    assert ", Django " in finding.text
    assert ", SQLite 3." in finding.text


@pytest.fixture
def few_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_files")
def test_few_open_files(only: Only) -> None:
    finding = only("limits")
    assert finding.text == "a process may open 512 files at most: a busy server refuses connections"
    assert "LimitNOFILE=" in finding.advice


def test_a_disk_that_is_nearly_full(examine: Examine, state_dir: Path, disks: Disks) -> None:
    disks.free[state_dir] = 100 * MIB
    findings, status = examine("disks")
    assert findings[0].text.endswith("100.0 MB free; below 128.0 MB posts may be refused (503)")
    assert findings[0].advice.startswith("Make room")
    assert status == 2


def test_a_disk_without_inodes(only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(f_bavail=1 << 30, f_frsize=4096, f_files=1 << 20, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    finding = only("disks")
    assert (finding.result, finding.advice) == ("FAILED", "Delete small files on it.")
    assert "only 0 inodes" in finding.text


def test_the_disk_of_the_journal_that_auto_means(
    examine: Examine, state_dir: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = "auto"
    monkeypatch.setattr("notifications.conf.runs_tests", lambda: False)
    monkeypatch.setattr("notifications.journal.journald.journal.SOCKETS", "/nowhere")
    findings, _ = examine("disks")
    assert "journal" in findings[0].text.partition(")")[0]
    assert not list(state_dir.iterdir()), "to ask chooses none"


def test_a_state_folder_that_can_be_written(only: Only, state_dir: Path) -> None:
    assert only("state-folder").text.startswith(f"{state_dir} belongs to ")
    assert list(state_dir.iterdir()) == []


def test_a_doctor_that_is_killed_leaves_no_file(only: Only, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk is the one that people look at, and do not wait for."""
    left = list[Path]()
    monkeypatch.setattr(os, "fsync", lambda _: left.extend(state_dir.iterdir()))
    only("state-folder")
    assert left == []


def test_a_read_only_state_folder(examine: Examine, state_dir: Path) -> None:
    state_dir.chmod(0o500)
    findings, status = by_modes(lambda: examine("state-folder"))
    state_dir.chmod(0o700)
    assert "who has taken away their own rights" in findings[0].text
    assert "chmod -R u+rwX" in findings[0].text
    assert status == 2


def test_a_state_folder_that_others_may_read(examine: Examine, state_dir: Path) -> None:
    state_dir.chmod(0o755)
    findings, status = examine("state-folder")
    assert "is open to others" in findings[0].text
    assert f"chmod 700 {state_dir}" in findings[0].advice
    assert status == 1


def test_a_state_folder_of_a_network(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_folder, "file_system", lambda _: "nfs4")
    findings, status = examine("state-folder")
    assert "is on nfs4" in findings[0].text
    assert findings[0].advice.startswith("Name a folder on a disk of this machine")
    assert status == 1


def test_the_type_of_a_file_system(tmp_path: Path) -> None:
    assert state_folder.file_system(Path("/proc/self")) == "proc"
    assert state_folder.file_system(tmp_path) not in {"", "proc"}


def test_a_state_folder_that_is_not_there_yet_is_not_made(only: Only, settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "later"
    assert only("state-folder").result == "ok"
    assert not (tmp_path / "later").exists()


def test_a_spool_and_what_is_set_aside_in_it(examine: Examine, state_dir: Path) -> None:
    assert examine("spool")[0][0].text == "0 files wait; 0 kB of 1024.0 MB are used"
    (state_dir / "spool").mkdir()
    (state_dir / "spool" / ("a" * 32 + ".1a2b3c4d.damaged")).touch()
    findings, status = examine("spool")
    assert "cannot be imported" in findings[0].text
    assert "their names say why" in findings[0].advice
    assert status == 1


def test_workers(examine: Examine, settings: Any) -> None:
    settings.NOTIFICATIONS_CHANNELS = {}
    findings, status = examine("workers")
    assert findings[0].text.startswith("No process_raw runs on ")
    assert findings[0].advice.startswith("Start it (manage.py process_raw, or its service)")
    assert status == 1
    heartbeat = Heartbeat("process_raw")
    try:
        findings, status = examine("workers")
    finally:
        heartbeat.close()
    assert (findings[0].text, status) == (f"process_raw (process {os.getpid()}) runs", 0)


def test_settings_that_are_wrong_are_those_of_the_checks(examine: Examine, settings: Any) -> None:
    settings.NOTIFICATIONS_SPOOL_MAX_BYTES = "many"
    settings.NOTIFICATIONS_SITE_URL = "shop.test"
    findings, status = examine("settings")
    texts = [each.text for each in findings]
    assert "NOTIFICATIONS_SPOOL_MAX_BYTES is 'many'. (notifications.E011)" in texts
    assert "NOTIFICATIONS_SITE_URL is 'shop.test'. (notifications.E011)" in texts
    (of_url,) = [each for each in findings if each.text.startswith("NOTIFICATIONS_SITE_URL")]
    assert "https://" in of_url.advice
    assert status == 2
