import multiprocessing
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from notifications import keep
from notifications.store import wake_workers
from notifications.store.database_breaker import breaker
from notifications.store.wake_workers import LONGEST_FOLDER, Sleeper, Waker


def readable(sleeper: Sleeper) -> bool:
    return bool(select.select([sleeper], [], [], 0)[0])


@pytest.fixture
def sleeper(state_dir: Path) -> Iterator[Sleeper]:
    sleeper = Sleeper()
    yield sleeper
    sleeper.close()


def test_wakes(sleeper: Sleeper) -> None:
    assert not readable(sleeper)
    wake_workers.wake()
    assert readable(sleeper)
    sleeper.drain()
    assert not readable(sleeper)


def test_wakes_all_of_them(sleeper: Sleeper) -> None:
    others = [Sleeper() for _ in range(3)]
    wake_workers.wake()
    assert all(map(readable, [sleeper, *others]))
    for other in others:
        other.close()


def test_finds_workers_that_come_later(sleeper: Sleeper) -> None:
    wake_workers.wake()
    later = Sleeper()
    wake_workers.wake()
    assert readable(later)
    later.close()


@pytest.mark.usefixtures("state_dir")
def test_without_workers_nothing_happens() -> None:
    wake_workers.wake()


def test_never_waits_for_one_that_does_not_listen(sleeper: Sleeper) -> None:
    for _ in range(2000):
        wake_workers.wake()
    assert readable(sleeper)
    sleeper.drain()
    assert not readable(sleeper)


def test_forgets_the_dead(sleeper: Sleeper, state_dir: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(state_dir / "wake" / "1-dead"))
    dead.close()
    (state_dir / "wake" / "no-socket").touch()
    wake_workers.wake()
    assert readable(sleeper)
    assert not (state_dir / "wake" / "1-dead").exists()


def test_leaves_nothing_behind(state_dir: Path) -> None:
    Sleeper().close()
    assert list((state_dir / "wake").iterdir()) == []


@pytest.mark.parametrize("extra", [0, 1, 100])
def test_a_long_path(settings: Any, tmp_path: Path, extra: int) -> None:
    padding = LONGEST_FOLDER - len(f"{tmp_path}/wake") + extra
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / ("x" * max(padding, 20))
    sleeper = Sleeper()
    wake_workers.wake()
    assert readable(sleeper)
    sleeper.close()


def test_without_descriptors_left_it_does_not_raise(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)
    wake_workers.wake()


def test_works_after_a_fork(sleeper: Sleeper) -> None:
    wake_workers.wake()
    sleeper.drain()
    child = os.fork()
    if not child:
        wake_workers.wake()
        os._exit(0)
    os.waitpid(child, 0)
    assert readable(sleeper)


def test_wakes_from_another_process(sleeper: Sleeper, state_dir: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=wake_from_elsewhere, args=[str(state_dir)])
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert readable(sleeper)
    process.close()


def wake_from_elsewhere(state: str) -> None:
    Waker(Path(state) / "wake").wake()


@pytest.mark.usefixtures("sqlite_file")
class TestKeep:
    def test_wakes_once_it_is_stored(self) -> None:
        sleeper = Sleeper()
        keep("photo", b"x")
        assert readable(sleeper)
        sleeper.close()

    def test_wakes_after_the_commit_and_not_before(self) -> None:
        sleeper = Sleeper()
        with transaction.atomic():
            keep("photo", b"x")
            assert not readable(sleeper)
        assert readable(sleeper)
        sleeper.close()

    def test_wakes_for_the_spool(self) -> None:
        sleeper = Sleeper()
        breaker.open()
        keep("photo", b"x")
        assert readable(sleeper)
        sleeper.close()
