"""Forked children of other people's code: each is tried in a process of its own, not to fork the tests."""

import subprocess
import sys
from pathlib import Path

from tests.support.child import BASE_DIR, bare_env

START = """
import logging, os
from notifications.utils.forks import ParentOnly

logging.basicConfig()

def wait(child):
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
LEAVES = """
for raised in (False, True):
    try:
        with ParentOnly("The handler"):
            child = os.fork()
            if child:
                wait(child)
            elif raised:
                raise ValueError("in the child")
    finally:
        print("after", os.getpid() == PARENT, flush=True)
"""
ENTERS = """
child = os.fork()
with ParentOnly("The handler", PARENT):
    print("inside", os.getpid() == PARENT, flush=True)
    wait(child)
"""
CHANNEL = """
import django
django.setup()
from types import SimpleNamespace
from notifications.follow_journal.delivery import Delivery
from notifications.follow_journal.pace import Pace

def deliver(events):
    if child := os.fork():
        wait(child)

Delivery(SimpleNamespace(name="SLACK", deliver=deliver), Pace(0, 1)).deliver([])
print("after", os.getpid() == PARENT, flush=True)
"""


def run(code: str, home: Path) -> tuple[list[str], str]:
    """What it printed, and its log."""
    env = bare_env(home) | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    source = f"{START}PARENT = os.getpid()\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", source], env=env, cwd=BASE_DIR, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines(), done.stderr


def test_a_child_does_not_leave_the_block(tmp_path: Path) -> None:
    printed, log = run(LEAVES, tmp_path)
    assert printed == ["0", "after True", "1", "after True"]
    assert log.count("The handler has forked, and its child") == 2
    assert "ValueError: in the child" in log


def test_a_child_does_not_enter_its_parents_block(tmp_path: Path) -> None:
    printed, log = run(ENTERS, tmp_path)
    assert printed == ["inside True", "0"]
    assert log.count("has forked") == 1


def test_the_child_of_a_channel_goes_no_further(tmp_path: Path) -> None:
    printed, log = run(CHANNEL, tmp_path)
    assert printed == ["0", "after True"]
    assert "The channel SLACK has forked" in log
