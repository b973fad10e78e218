"""emit() in real processes, to a real journald that is stopped meanwhile: nothing is lost, nothing twice."""

import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from notifications.events.encoding import event_of
from notifications.events.event import Event
from notifications.journal import JournaldJournal
from tests.support.child import BIN, Process
from tests.support.journald import JournaldNamespace
from tests.support.journals import written
from tests.support.ports import free_port
from tests.support.processes import Site
from tests.support.visitor import Visitor
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

#: More than a stopped journald's socket takes (net.unix.max_dgram_qlen).
MANY: Final = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 300
SETUP: Final = "import django, os, sys; django.setup(); from notifications import emit\n"
Start = Callable[..., Process]

SERVERS: Final = {
    "gunicorn": [str(BIN / "gunicorn"), "--workers=2", "--bind=127.0.0.1:{port}", "tests.support.emit_app"],
    "gunicorn, preload": [
        *(str(BIN / "gunicorn"), "--preload", "--workers=2", "--bind=127.0.0.1:{port}"),
        "tests.support.emit_app",
    ],
    "granian": [
        *(str(BIN / "granian"), "--interface=wsgi", "--host=127.0.0.1", "--port={port}", "--workers=2"),
        *("--blocking-threads=2", "tests.support.emit_app:application"),
    ],
}


@pytest.fixture(autouse=True)
def _journal_url(site: Site, journald: JournaldNamespace) -> None:
    site.env["JOURNAL_URL"] = journald.url


def told(journald: JournaldNamespace) -> list[Event]:
    journal = JournaldJournal(journald.name)
    entries = written(journal)
    journal.close()
    events = [event_of(entry, frozenset({os.getuid()})) for entry in entries]
    return [event for event in events if event is not None and event.name != "END"]


def check_numbers(events: list[Event]) -> None:
    """Each process counts from 1 without a hole, and its entries are in order."""
    numbers = defaultdict(list)
    for event in events:
        token, _, number = event.id.partition(":")
        numbers[token].append(int(number))
    for found in numbers.values():
        assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("server", SERVERS)
def test_web_servers(journald: JournaldNamespace, start: Start, server: str) -> None:
    """What waits while journald is stopped arrives afterwards, also what was queued before a fork."""
    port = free_port()
    journald.pause()
    process = start(*(part.format(port=port) for part in SERVERS[server]), EMIT_AT_IMPORT=str(MANY))
    process.wait_until_listening(port)
    visitor = Visitor(f"http://127.0.0.1:{port}")
    for number in range(8):
        assert visitor.get(f"/?request{number}={MANY if not number else 1}").status == 200
    journald.resume()
    importers = 1 if "preload" in server else 2
    expected = importers * MANY + MANY + 7
    wait_for(lambda: len(told(journald)) >= expected, timeout=60, message=f"{expected} events")
    assert process.terminate() == 0
    events = told(journald)
    assert len(events) == expected
    assert sorted({event.text for event in events}) == sorted(
        {f"import {n}" for n in range(MANY)}
        | {f"request0 {n}" for n in range(MANY)}
        | {f"request{n} 0" for n in range(1, 8)}
    )
    check_numbers(events)


@pytest.mark.parametrize("server", SERVERS)
def test_a_worker_that_stops_hands_on_what_waits(journald: JournaldNamespace, start: Start, server: str) -> None:
    port = free_port()
    process = start(*(part.format(port=port) for part in SERVERS[server]))
    process.wait_until_listening(port)
    visitor = Visitor(f"http://127.0.0.1:{port}")
    visitor.get("/?before=1")
    if server == "granian":  # one that has only just started its workers may never end on SIGTERM
        wait_for(lambda: process.log.count("Started worker") == 2)
    journald.pause()
    visitor.get(f"/?request={MANY}")
    os.kill(process.pid, signal.SIGTERM)
    journald.resume()
    assert process.terminate() == 0
    assert [event.text for event in told(journald)] == ["before 0", *(f"request {n}" for n in range(MANY))]


def python(start: Start, code: str) -> Process:
    return start(sys.executable, "-c", SETUP + code)


def test_exit_hands_on_what_waits(journald: JournaldNamespace, start: Start) -> None:
    journald.pause()
    process = python(start, f"for n in range({MANY}): emit('OPS', str(n))\nprint('emitted', flush=True)")
    wait_for(lambda: "emitted" in process.log)
    journald.resume()
    wait_for(lambda: not process.alive)
    events = told(journald)
    assert [event.text for event in events] == [str(n) for n in range(MANY)]
    check_numbers(events)


def test_exit_does_not_wait_for_ever(journald: JournaldNamespace, start: Start) -> None:
    journald.pause()
    process = python(start, f"for n in range({MANY}): emit('OPS', str(n))")
    wait_for(lambda: not process.alive, timeout=30)
    assert "events are lost: the process exits" in process.log


@pytest.mark.parametrize("stopped", [False, True])
def test_fork(journald: JournaldNamespace, start: Start, stopped: bool) -> None:
    """The parent's events are told by the parent alone, and each process has numbers of its own."""
    code = f"""
for n in range({MANY}): emit('OPS', f'before {{n}}')
child = os.fork()
emit('OPS', 'child' if not child else 'parent')
print('emitted', flush=True)
if child: assert os.waitpid(child, 0)[1] == 0
"""
    if stopped:
        journald.pause()
    process = python(start, code)
    wait_for(lambda: process.log.count("emitted") == 2)
    journald.resume()
    wait_for(lambda: not process.alive)
    events = told(journald)
    texts = [event.text for event in events]
    assert sorted(texts) == sorted([f"before {n}" for n in range(MANY)] + ["child", "parent"])
    check_numbers(events)
    assert len({event.id.partition(":")[0] for event in events}) == 2


def test_a_flood_is_bounded_and_its_losses_are_told(journald: JournaldNamespace, start: Start, tmp_path: Path) -> None:
    """25 MB into a queue of 8: what was dropped is counted to the last event."""
    code = """
import pathlib, resource, time
from notifications.events.emit import process_outbox
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for n in range(25_000): emit('OPS', 'x' * 1000)
print('grew by', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, flush=True)
while not pathlib.Path(os.environ['GO']).exists(): time.sleep(0.01)
print('flushed', process_outbox().flush(60), flush=True)
"""
    journald.pause()
    process = start(sys.executable, "-c", SETUP + code, GO=str(tmp_path / "go"))
    wait_for(lambda: "grew by" in process.log or not process.alive, timeout=60)
    assert int(process.log.rpartition("grew by ")[2].split()[0]) < 30_000  # kB
    journald.resume()
    (tmp_path / "go").touch()
    wait_for(lambda: not process.alive, timeout=60)
    assert "flushed True" in process.log
    events = told(journald)
    (loss,) = (event for event in events if event.name == "LOST")
    assert loss.data["count"] + len(events) - 1 == 25_000
    assert loss.data["count"] > 10_000


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_of_journald_loses_nothing(journald: JournaldNamespace, start: Start, end: str) -> None:
    port = free_port()
    process = start(*(part.format(port=port) for part in SERVERS["granian"]))
    process.wait_until_listening(port)
    visitor = Visitor(f"http://127.0.0.1:{port}")
    visitor.get("/?a=5")
    wait_for(lambda: len(told(journald)) == 5)
    getattr(journald, end)()
    visitor.get("/?b=5")
    journald.start()
    visitor.get("/?c=5")
    wait_for(lambda: len(told(journald)) >= 15)
    assert sorted(event.text for event in told(journald)) == [f"{name} {n}" for name in "abc" for n in range(5)]
