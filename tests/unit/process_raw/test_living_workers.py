import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from notifications.process_raw.living_workers import Presence, departed, name_of
from notifications.utils.worker_name import worker_name

CHILD = """
import os, sys
from django.conf import settings
settings.configure(NOTIFICATIONS_STATE_DIR=sys.argv[1])
from notifications.process_raw.living_workers import Presence
print(Presence().token, flush=True)
sys.stdin.read()
"""
#: In one write: two processes have the pipe.
TELLS = """
os.write(1, f"{os.getpid()}\\n".encode())
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_state_dir(settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path


def test_a_living_worker_has_not_departed_and_one_that_closed_is_looked_after_once() -> None:
    presence = Presence()
    with departed() as tokens:
        assert tokens == []
    presence.close()
    with departed() as tokens:
        assert tokens == [presence.token]
    with departed() as tokens:
        assert tokens == []


def test_a_worker_that_ended_is_known_by_name_until_it_is_forgotten(settings: Any) -> None:
    settings.NOTIFICATIONS_RELEASE = "1.4.0"
    presence = Presence()
    presence.close()
    with departed() as tokens:
        assert [name_of(token) for token in tokens] == [(worker_name(), "1.4.0")]
    assert name_of(presence.token) == name_of(None) == ("", "")
    assert list((settings.NOTIFICATIONS_STATE_DIR / "workers").iterdir()) == []


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "README").touch()
    with departed() as tokens:
        assert tokens == []


def test_a_killed_worker_has_departed_though_its_child_lives(tmp_path: Path) -> None:
    forks = f"{CHILD.partition('print')[0]}here = Presence()\nos.fork()\n{TELLS}"
    with subprocess.Popen(
        [sys.executable, "-c", forks, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        with departed() as tokens:
            assert tokens == []
        parent.kill()
        os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
        with departed() as tokens:
            assert len(tokens) == 1
        pids.remove(parent.pid)
        os.kill(pids[0], signal.SIGKILL)


def test_a_killed_worker_has_departed_until_that_is_dealt_with(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        token = uuid.UUID(child.stdout.readline().strip())
        with departed() as tokens:
            assert tokens == []
        child.kill()
        child.wait()
    with pytest.raises(ZeroDivisionError), departed() as tokens:
        assert tokens == [token]
        raise ZeroDivisionError  # the database is away
    with departed() as tokens:
        assert tokens == [token]
        with departed() as others:
            assert others == []  # one of the living takes over, not two
    with departed() as tokens:
        assert tokens == []
