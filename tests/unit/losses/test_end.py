"""A process that ends says so, as its last event; one that cannot, or has said nothing else, does not."""

import os
import textwrap
from pathlib import Path
from typing import Final

import pytest

from notifications.events.encoding import event_of
from notifications.events.event import Event
from notifications.journal import FileJournal
from tests.support.child import bare_env
from tests.support.journals import read_all
from tests.support.warm_python import run_python

SETUP: Final = """
import atexit, multiprocessing, os, sys, threading, time
from django.conf import settings
settings.configure(NOTIFICATIONS_STATE_DIR={state!r}, NOTIFICATIONS_JOURNAL_URL={journal!r})
from notifications import emit
from notifications.utils.bounded_queue import BoundedQueue
from notifications.utils.process_exit import before_exit
from notifications.journal import FileJournal
"""
FORKED: Final = """
def child():
    emit("OPS", "child")
process = multiprocessing.get_context("fork").Process(target=child)
process.start(); process.join()
"""
LATE: Final = """
ended = threading.Event()
before_exit(ended.set)
def late():
    ended.wait()
    emit("OPS", "late")
emit("OPS", "early")
threading.Thread(target=late).start()
"""
HANDED_ON: Final = """
held_back = ["last"]
def idle(hurry):
    if hurry and held_back: emit("OPS", held_back.pop())
queue = BoundedQueue(lambda item: emit("OPS", item), maxsize=9, name="older", idle=idle)
emit("OPS", "first")
queue.put("waits")
"""
#: The journal fails until the exit has begun.
QUEUED: Final = """
write, broken = FileJournal.write, [True]
def failing(journal, record):
    if broken: raise BlockingIOError
    write(journal, record)
FileJournal.write = failing
for number in range(5): emit("OPS", str(number))
atexit.register(broken.clear)
threading._register_atexit(broken.clear)
"""


def run(folder: Path, code: str, *, exit_code: int = 0) -> list[str]:
    """Name and number of the events of each process, by number (threads may overtake); a line for each token."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    code = SETUP.format(state=str(state), journal=f"file://{state}/journal") + textwrap.dedent(code)
    done = run_python(["-c", code], env=bare_env(folder))
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr or exit_code, done.stderr
    lines: dict[str, dict[int, str]] = {}
    for event in written(folder):
        token, _, number = event.id.partition(":")
        lines.setdefault(token, {})[int(number)] = f"{event.name}{number}"
    return sorted(" ".join(line[number] for number in sorted(line)) for line in lines.values())


def written(folder: Path) -> list[Event]:
    journal = FileJournal(folder / "state" / "journal")
    entries = read_all(journal.open(follow=False))
    journal.close()
    return [event for entry in entries if (event := event_of(entry, frozenset({os.getuid()})))]


@pytest.mark.parametrize(
    ("code", "events"),
    [
        ("emit('OPS', 'x'); emit('OPS', 'y')", ["OPS1 OPS2 END3"]),
        ("", []),
        ("emit('OPS', 'x'); sys.exit()", ["OPS1 END2"]),
        ("emit('OPS', 'x'); os._exit(0)", ["OPS1"]),
        ("emit('OPS', 'x'); os.kill(os.getpid(), 9)", ["OPS1"]),
        ("emit('OPS', 'x')\nif not os.fork(): os._exit(0)\nos.wait()", ["OPS1 END2"]),
        ("emit('OPS', 'x')\nif os.fork(): os.wait()\nelse: emit('OPS', 'y')", ["OPS1 END2", "OPS1 END2"]),
        ("if os.fork(): os.wait()\nelse: emit('OPS', 'y')", ["OPS1 END2"]),
        (FORKED, ["OPS1 END2"]),
        ("emit('OPS', 'x')" + FORKED, ["OPS1 END2", "OPS1 END2"]),
        (LATE, ["OPS1 END2 OPS3 END4"]),
        (HANDED_ON, ["OPS1 OPS2 OPS3 END4"]),
        (
            FORKED.replace("def child():", "def child():" + textwrap.indent(HANDED_ON, "    ")),
            ["OPS1 OPS2 OPS3 OPS4 END5"],
        ),
        (QUEUED, ["OPS1 OPS2 OPS3 OPS4 OPS5 END6"]),
    ],
)
def test_the_last_event(tmp_path: Path, code: str, events: list[str]) -> None:
    killed = "os.kill" in code
    assert run(tmp_path, code, exit_code=-9 if killed else 0) == events


def test_what_it_says(tmp_path: Path) -> None:
    run(tmp_path, "for number in range(312): emit('OPS', 'x')\nprint(os.getpid())")
    end = written(tmp_path)[-1]
    assert end.name == "END"
    assert end.text.startswith("312 events, process ")
    assert end.text.endswith(" ends")
    assert end.data == {}


def test_an_exception_ends_it_cleanly_too(tmp_path: Path) -> None:
    assert run(tmp_path, "emit('OPS', 'x'); 1 / 0", exit_code=1) == ["OPS1 END2"]


def test_a_journal_that_does_not_answer_does_not_keep_it(tmp_path: Path) -> None:
    code = QUEUED.replace("broken.clear", "print")
    assert run(tmp_path, code) == []
