"""Heartbeats: real processes that turn, are stopped, hang and are killed."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from notifications.workers import activity, heartbeat
from notifications.workers.activity import Activity
from notifications.workers.heartbeat import Beat, Heartbeat, beat_of, beats
from notifications.workers.loop import Stop, run
from tests.support.journals import in_child
from tests.support.wait import wait_for


class Handling:
    """A worker that begins with one thing, and ends when the process does."""

    def __init__(self, what: str, *, hangs: bool = False) -> None:
        self._what, self._hangs = what, hangs

    def poll(self) -> float | None:
        activity.begins(self._what)
        if self._hangs:
            threading.Event().wait()
        return 0.01

    def fileno(self) -> int | None:
        return None

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the heartbeats, which are quick here."""
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.05)
    return tmp_path / "heartbeats"


Start = Callable[..., int]


def _handed(worker: Handling, _: Stop) -> Handling:
    return worker


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts a real process with these workers; its id, once its heart beats."""
    started: list[int] = []

    def start(*workers: Handling, command: str = "process_raw") -> int:
        pid = in_child(lambda: run([partial(_handed, each) for each in workers], heartbeat=command))
        started.append(pid)
        wait_for(lambda: [beat for beat in beats() if beat.pid == pid])
        return pid

    yield start
    for pid in started:
        end(pid, signal.SIGKILL)


def end(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # a test has ended it


def the_beat() -> Beat:
    (beat,) = beats()
    return beat


def test_nobody_has_run_here() -> None:
    assert beats() == []


def test_what_a_process_is_and_does(start: Start) -> None:
    before = time.time()
    pid = start(Handling("stripe 5cfbe9ea"))
    wait_for(lambda: the_beat().activities)
    beat = the_beat()
    assert (beat.command, beat.host, beat.pid, beat.alive) == ("process_raw", os.uname().nodename, pid, True)
    assert before <= beat.started_at <= beat.beat_at <= time.time()
    assert [each.what for each in beat.activities] == ["stripe 5cfbe9ea"]
    assert beat.turns


def test_a_process_that_ends_in_order_is_forgotten(start: Start) -> None:
    end(start(Handling("x")), signal.SIGTERM)
    assert beats() == []


def test_a_killed_process_is_dead_until_its_successor_starts(start: Start) -> None:
    killed = start(Handling("x"))
    end(killed, signal.SIGKILL)
    assert (the_beat().pid, the_beat().alive, the_beat().turns) == (killed, False, False)
    other = start(Handling("y"), command="follow_journal")
    assert {(beat.pid, beat.alive) for beat in beats()} == {(killed, False), (other, True)}
    successor = start(Handling("x"))
    assert {beat.pid for beat in beats()} == {other, successor}


class Forking(Handling):
    """Its handler forks a child that outlives it."""

    def poll(self) -> float | None:
        if not self._hangs:
            self._hangs = True
            if not os.fork():
                activity.begins("forked")
                Path(self._what).write_text(str(os.getpid()))
                threading.Event().wait()
        return 0.01


def test_a_killed_process_is_dead_though_its_child_lives(start: Start, tmp_path: Path) -> None:
    told = tmp_path / "child"
    killed = start(Forking(str(told)))
    wait_for(lambda: told.exists() and told.read_text())
    child = int(told.read_text())
    try:
        assert the_beat().alive
        end(killed, signal.SIGKILL)
        assert not the_beat().alive
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_stopped_process_is_frozen_until_it_goes_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = start(Handling("x"))
    monkeypatch.setattr(heartbeat, "FROZEN", 1.0)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: the_beat().is_frozen)
    assert the_beat().alive
    assert the_beat().silent_since == the_beat().beat_at
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: the_beat().turns)


def test_one_thread_that_hangs_is_seen_beside_one_that_turns(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start(Handling("turns"), Handling("hangs", hangs=True))
    wait_for(lambda: the_beat().beat_at - the_beat().turned_at > 0.2)
    assert the_beat().turns, "a handler may take its lease"
    monkeypatch.setattr(heartbeat, "longest_turn", lambda: 0.2)
    assert the_beat().is_frozen
    assert the_beat().silent_since == the_beat().turned_at


def test_a_turn_may_take_as_long_as_the_longest_lease(settings: Any) -> None:
    assert heartbeat.longest_turn() == heartbeat.HANGS
    settings.NOTIFICATIONS_SOURCES = {"video": {"lease": 3600.0}}
    assert heartbeat.longest_turn() == 7200.0


def test_a_disk_that_takes_no_text_keeps_the_heart_beating(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heart = Heartbeat("process_raw")
    first = the_beat().beat_at

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.0)

    def beats_on() -> bool:
        heart.beat(0.0)
        return the_beat().beat_at > first

    wait_for(beats_on)
    assert "takes no heartbeat" in caplog.text
    heart.close()


def test_what_is_no_heartbeat_is_passed_over(folder: Path) -> None:
    heart = Heartbeat("process_raw")
    (folder / "process_raw-12-0123456789ab.new").write_text("{}")
    (folder / "notes.txt").write_text("{}")
    assert [beat.pid for beat in beats()] == [os.getpid()]
    heart.close()


@pytest.mark.parametrize("text", ["", '{"command": "proc', "{}", "[]"])
def test_without_a_text_its_name_and_time_say_enough(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "process_raw-4711-0123456789ab").write_text(text)
    beat = the_beat()
    assert (beat.command, beat.pid, beat.alive, beat.activities) == ("process_raw", 4711, False, [])
    assert beat.beat_at == (folder / "process_raw-4711-0123456789ab").stat().st_mtime


def test_another_release_may_know_more_or_less() -> None:
    now = time.time()
    beat = Beat("process_raw", "shop2", 1, "2.0", now, now, now, activities=[Activity("x", now)])
    values = json.loads(json.dumps(asdict(beat)))
    assert beat_of(values) == beat_of(values | {"mood": "fine"}) == beat
    del values["host"]
    assert beat_of(values) is beat_of([]) is None


def test_a_long_name_is_cut(folder: Path) -> None:
    activity.begins("x" * 10_000)
    heart = Heartbeat("process_raw")
    assert [len(each.what) for each in the_beat().activities] == [heartbeat.LONGEST]
    heart.close()
    activity.ends()
