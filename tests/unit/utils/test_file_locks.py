"""Locks on files, while children are forked: only the process that took one keeps it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from notifications.utils.file_locks import EXISTING, ProcessLock, exclusive, release, take_lock
from tests.support.journals import exit_code, in_child
from tests.support.wait import wait_for

Holding = Callable[[Path], AbstractContextManager[object]]


@contextmanager
def process_lock(path: Path) -> Iterator[None]:
    lock = ProcessLock(path)
    yield
    lock.close()


@contextmanager
def descriptor(path: Path) -> Iterator[None]:
    held = take_lock(path)
    yield
    release(held)


ALL: Final = [process_lock, descriptor, exclusive]
#: Those that are held for longer than a moment.
LASTING: Final = [process_lock, exclusive]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "one"


@pytest.fixture
def lingering() -> Iterator[Callable[[], int]]:
    """Forks a child that lives until the end of the test."""
    children: list[int] = []

    def fork() -> int:
        children.append(in_child(signal.pause))
        return children[-1]

    yield fork
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def is_free(path: Path) -> bool:
    try:
        release(take_lock(path, EXISTING))
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("hold", ALL)
def test_it_is_free_once_released_though_a_child_lives_that_was_forked_meanwhile(
    path: Path, lingering: Callable[[], int], hold: Holding
) -> None:
    with hold(path):
        lingering()
        assert not is_free(path)
    assert is_free(path)


@pytest.mark.parametrize("hold", LASTING)
def test_a_child_that_ends_or_lets_go_leaves_the_lock_to_its_parent(path: Path, hold: Holding) -> None:
    with hold(path):
        assert exit_code(in_child(lambda: None)) == 0
        assert not is_free(path)


def test_the_lock_of_a_parent_is_not_its_childs(path: Path) -> None:
    lock = ProcessLock(path)

    def let_go() -> None:
        assert lock.held is None
        lock.close()
        assert not is_free(path)

    assert exit_code(in_child(let_go)) == 0
    assert not is_free(path)
    lock.close()
    lock.close()
    assert is_free(path)


@pytest.mark.parametrize("hold", LASTING)
def test_it_is_free_once_its_process_is_killed_though_a_child_of_that_lives(path: Path, hold: Holding) -> None:
    read, write = os.pipe()

    def die() -> None:
        with hold(path):
            os.write(write, b"%d" % in_child(signal.pause))
            signal.pause()

    parent = in_child(die)
    orphan = int(os.read(read, 20))
    try:
        assert not is_free(path)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        wait_for(lambda: is_free(path))  # once the orphan has begun to run
    finally:
        for pipe in (read, write):
            os.close(pipe)
        with suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)


def test_one_alone_has_it(path: Path) -> None:
    with exclusive(path) as alone, exclusive(path) as other:
        assert (alone, other) == (True, False)
    with exclusive(path) as alone:
        assert alone
