"""Accounts of a real journald, whose writers are killed, stopped, restarted and limited, to the last event."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from notifications.events import emit
from notifications.events.encoding import event_of
from notifications.follow_journal.pace import Pace
from notifications.journal import Entry, JournaldJournal
from notifications.losses import Accountant, gone_processes, when_to_give_up
from notifications.losses.found_losses import GONE, MISSING
from notifications.models import Loss, Refusal, Writer
from notifications.positions.key import Key
from tests.support.child import BIN, Process
from tests.support.control_group import unit
from tests.support.followed_journal import turn
from tests.support.held_journald import HeldJournald
from tests.support.journald import JournaldNamespace
from tests.support.journals import read_all, settle, write, written
from tests.support.ports import free_port
from tests.support.processes import Site
from tests.support.tell import ClosedOnce
from tests.support.visitor import Visitor
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

UID: Final = os.getuid()
#: More than a stopped journald's socket takes (net.unix.max_dgram_qlen).
MANY: Final = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 300
SETUP: Final = """
import django, os, signal, sys, time
django.setup()
from notifications import emit
from notifications.events import emit as events, outbox
"""
QUEUE_FULL: Final = "the journal took nothing until the queue was full"
#: Microseconds in place of a minute and of five seconds, so that the tests take no minutes.
FINAL_AFTER: Final = 3_000_000
SILENCE: Final = 500_000
Start = Callable[..., Process]


class Desk:
    """An accountant in a follower of this process, which a test turns while it waits."""

    def __init__(self, journal: JournaldJournal) -> None:
        self.journal = journal
        self.start()

    def start(self) -> None:
        """Begin where the last one stopped."""
        accountant = Accountant("machine", self.journal.url, lambda: ["OPS"], alert="")
        key = Key("machine", self.journal.url, "LOST")
        pace = Pace(0)
        self._follower = ClosedOnce(accountant, self.journal, accountant.observe, key, pace=pace, observer=accountant)

    def restart(self) -> None:
        self.close()
        self.start()

    def close(self) -> None:
        self._follower.close()

    def turn(self) -> None:
        """Read what is there."""
        turn(self._follower)

    def until(self, condition: Callable[[], object], timeout: float = 30) -> None:
        """Turn until the condition holds."""

        def holds() -> object:
            self.turn()
            return condition()

        wait_for(holds, timeout=timeout, message=f"{list(Loss.objects.values())}")

    def has_read_all(self) -> None:
        """Turn until everything that was written so far is accounted for."""
        token = f"{os.urandom(4).hex()}"
        tick(self.journal, PROPPY_ID=f"{token}:1")
        self.until(lambda: Writer.objects.filter(token=token).exists())
        Writer.objects.filter(token=token).delete()

    def be_patient(self) -> None:
        """Turn until what is missing by now must be lost; the journal is not silent meanwhile."""
        self.has_read_all()
        end = time.monotonic() + (FINAL_AFTER + 2 * SILENCE) / 1_000_000
        while time.monotonic() < end:
            tick(self.journal)
            self.turn()
        self.has_read_all()


def tick(journal: JournaldJournal, **fields: str) -> None:
    write(journal, "TICK: x", PROPPY_EVENT="TICK", **fields)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (when_to_give_up, gone_processes):
        monkeypatch.setattr(module, "FINAL_AFTER", FINAL_AFTER)
    monkeypatch.setattr(when_to_give_up, "SILENCE", SILENCE)
    monkeypatch.setattr("notifications.losses.accountant.PAUSE", 0.2)


@pytest.fixture
def journald() -> Iterator[JournaldNamespace]:
    """In place of the usual one, whose socket dies with it, and what is in there."""
    if os.getuid():
        pytest.skip("needs root")
    with HeldJournald() as namespace:
        yield namespace


@pytest.fixture
def desk(journal: JournaldJournal) -> Iterator[Desk]:
    opened = Desk(journal)
    opened.has_read_all()
    yield opened
    opened.close()


@pytest.fixture
def start(start: Start, journald: JournaldNamespace) -> Start:
    """Starts commands, or Python code."""

    def run(*command: str, code: str = "", **env: str) -> Process:
        command = command or (sys.executable, "-c", SETUP + code)
        return start(*command, **{"JOURNAL_URL": journald.url} | env)

    return run


def arrived(journal: JournaldJournal) -> Counter[str]:
    """How many events of which name are in the journal."""
    found = (event_of(entry, frozenset({UID})) for entry in written(journal))
    return Counter(event.name for event in found if event is not None)


def losses() -> Counter[str]:
    """Lost events by reason; 0 for those that nobody can count."""
    counts = Counter[str]()
    for loss in Loss.objects.all():
        counts[loss.reason] += loss.count or 0
    return counts


def granian(port: int) -> list[str]:
    options = ["--interface=wsgi", "--host=127.0.0.1", f"--port={port}", "--workers=2", "--blocking-threads=2"]
    return [str(BIN / "granian"), *options, "tests.support.emit_app:application"]


def ask(visitor: Visitor, count: int) -> int:
    """Have so many events emitted; 0 where the server does not answer, and had nothing to do."""
    assert visitor.get(f"/?x={count}").status == 200
    return count


SCRIPT: Final = "for n in range(200): emit('OPS', str(n)); time.sleep(0.005)"
FORKS: Final = """
import multiprocessing, threading
def tell():
    for n in range(50): emit('OPS', str(n))
    threads = [threading.Thread(target=lambda: [emit('OPS', 'x') for n in range(50)]) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
tell()
for _ in range(3):
    child = multiprocessing.get_context('fork').Process(target=tell)
    child.start(); child.join()
"""


def test_a_clean_run_shows_zero(
    journald: JournaldNamespace, journal: JournaldJournal, desk: Desk, start: Start
) -> None:
    """Web server, scripts and forks, while the web server, journald and the accountant are restarted."""
    port, told = free_port(), 0
    scripts: list[Process] = []
    for step in range(4):
        web = start(*granian(port))
        web.wait_until_listening(port)
        wait_for(lambda web=web: web.log.count("Started worker") == 2)  # type: ignore[misc]  # a default binds it
        visitor = Visitor(f"http://127.0.0.1:{port}")
        scripts += [start(code=SCRIPT), start(code=FORKS)]
        told += 200 + 4 * 200 + ask(visitor, 20)
        desk.turn()
        (journald.restart, journald.stop, journald.pause, journald.rotate)[step]()
        told += ask(visitor, MANY) + ask(visitor, 1)
        if step == 1:
            desk.restart()
        journald.start()
        journald.resume()
        told += sum(ask(visitor, 3) for _ in range(20))
        desk.turn()
        if step == 2:
            desk.restart()
        assert web.terminate() == 0
    for script in scripts:
        desk.until(lambda script=script: not script.alive)  # type: ignore[misc]  # as above
    desk.be_patient()
    assert list(Loss.objects.values_list("origin", "count", "reason")) == []
    assert arrived(journal)["OPS"] == told
    writers = Writer.objects.exclude(highest=1, ended=False)
    assert all(writer.ended and not writer.missing for writer in writers), list(writers.values())
    # Eight processes of Granian may have got no request; each script is one process, or four.
    assert 20 <= writers.count() <= 28
    assert sum(writer.highest - 1 for writer in writers) == told + sum(
        count for name, count in arrived(journal).items() if name not in {"OPS", "END", "TICK"}
    )
    assert not Refusal.objects.exists()


def test_what_a_killed_journald_had_in_hand_is_counted(
    journald: JournaldNamespace, journal: JournaldJournal, desk: Desk, start: Start
) -> None:
    """At most the one datagram that it had read and not yet written."""
    scripts = [start(code=SCRIPT) for _ in range(3)]
    kills = 0
    while any(script.alive for script in scripts):
        if kills < 20:  # on a busy machine it might never read between two, and a process waits 5 s at its end
            journald.kill()
            journald.start()
            kills += 1
        desk.turn()
    desk.be_patient()
    counts = arrived(journal)
    assert counts["END"] == 3
    assert sum(losses().values()) == 600 - counts["OPS"] <= kills
    assert set(losses()) <= {MISSING}
    assert kills > 10


def test_a_killed_writer_is_told_once(desk: Desk, start: Start) -> None:
    process = start(code="emit('OPS', 'x'); emit('OPS', 'y'); print('told', flush=True); time.sleep(600)")
    wait_for(lambda: "told" in process.log)
    desk.be_patient()
    assert not Loss.objects.exists()
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not process.alive)
    desk.be_patient()
    loss = Loss.objects.get()
    assert (loss.count, loss.reason) == (None, GONE)
    assert str(process.pid) in loss.origin
    desk.restart()
    desk.be_patient()
    assert Loss.objects.count() == 1


DROPS: Final = """
outbox.QUEUE_BYTES = 5000
emit('OPS', 'first')
print('ready', flush=True)
while signal.SIGUSR1 not in signal.sigpending(): time.sleep(0.01)
for n in range({count}): emit('OPS', str(n))
print('emitted', flush=True)
while signal.SIGUSR2 not in signal.sigpending(): time.sleep(0.01)
assert events.process_outbox().flush(30)
for n in range(5): emit('OPS', 'after')
"""
BLOCKED: Final = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])\n"


@pytest.mark.parametrize("restarted", [False, True])
def test_what_emit_had_to_drop_is_counted_to_the_last_event(
    journald: JournaldNamespace, journal: JournaldJournal, desk: Desk, start: Start, restarted: bool
) -> None:
    process = start(code=BLOCKED + DROPS.format(count=2 * MANY))
    wait_for(lambda: "ready" in process.log)
    desk.has_read_all()
    journald.pause()
    os.kill(process.pid, signal.SIGUSR1)
    wait_for(lambda: "emitted" in process.log)
    journald.resume()
    os.kill(process.pid, signal.SIGUSR2)
    if restarted:
        desk.restart()
    desk.until(lambda: not process.alive)
    desk.be_patient()
    counts = arrived(journal)
    assert losses() == {QUEUE_FULL: 2 * MANY + 6 - counts["OPS"]}
    assert losses()[QUEUE_FULL] > 100
    assert all(loss.since and loss.since < loss.until for loss in Loss.objects.all())
    assert counts["END"] == 1


def test_who_ends_while_journald_stands_still_has_an_unknown_tail(
    journald: JournaldNamespace, desk: Desk, start: Start
) -> None:
    process = start(code=f"emit('OPS', 'first'); [emit('OPS', 'x') for n in range({MANY})]")
    journald.pause()
    wait_for(lambda: not process.alive, timeout=60)
    journald.resume()
    desk.be_patient()
    desk.be_patient()
    assert set(losses()) == {GONE}
    assert Loss.objects.count() == 1


def test_a_hole_that_nobody_explains(journal: JournaldJournal, desk: Desk) -> None:
    write_numbers(journal, own_token(), 10**6, 10**6 + 1, 10**6 + 11)
    desk.be_patient()
    assert losses() == {MISSING: 9}


def own_token() -> str:
    return emit.new_entry("OPS", "x")["PROPPY_ID"].partition(":")[0]


def write_numbers(journal: JournaldJournal, token: str, *numbers: int) -> None:
    for number in numbers:
        write(journal, "OPS: x", PROPPY_EVENT="OPS", PROPPY_ID=f"{token}:{number}")


def test_a_vacuum_is_told_once(journald: JournaldNamespace, journal: JournaldJournal, desk: Desk) -> None:
    token = own_token()
    write_numbers(journal, token, *range(1, 10))
    desk.has_read_all()
    desk.close()
    write_numbers(journal, token, *range(10, 20))
    settle(journal)
    journald.vacuum()
    write_numbers(journal, token, *range(20, 23), *range(25, 30))
    desk.start()
    desk.be_patient()
    assert [loss.channel for loss in Loss.objects.exclude(channel="")] == ["LOST"]
    assert set(losses()) <= {MISSING, *Loss.objects.filter(channel="LOST").values_list("reason", flat=True)}
    # The hole lies behind the gap, but may have been read together with it.
    assert losses()[MISSING] in {0, 2}


FLOOD: Final = """
while not os.path.exists(os.environ['GO']): time.sleep(0.01)
def tell(count):
    for n in range(count):
        emit('OPS', str(n))
        if events.process_outbox().queue: events.process_outbox().flush(30)
tell(500)
time.sleep(2.5)
tell(5)
"""


def test_the_flood_of_a_unit(site: Site, start: Start) -> None:
    """journald itself drops: a real rate limit, and the real message."""
    limited = JournaldNamespace(settings={"RateLimitIntervalSec": "2s", "RateLimitBurst": "20"})
    with limited, unit() as service:
        process = start(code=FLOOD, JOURNAL_URL=limited.url, GO=str(site.folder / "go"))
        service.join(process.pid)
        (site.folder / "go").touch()
        wait_for(lambda: not process.alive, timeout=60)
        journal = JournaldJournal(limited.name)
        settle(journal)
        account_for(journal, read_all(journal.open(follow=False, audit=True)))
        came = arrived(journal)["OPS"]
        journal.close()
    loss = Loss.objects.get()
    assert loss.count == 505 - came
    assert loss.count > 100
    assert loss.reason == f"journald's rate limit: {service.name}; set LogRateLimitIntervalSec=0"
    assert service.name in loss.origin


def account_for(journal: JournaldJournal, entries: list[Entry]) -> None:
    """Give them to an accountant, and then let an hour pass."""
    later = Entry("x", entries[-1].time_us + 3_600_000_000, {"PROPPY_EVENT": "TICK", "MESSAGE": "TICK: x"})
    accountant = Accountant("machine", journal.url, lambda: ["OPS"], alert="", clock=lambda: 10.0**10)
    for batch in (entries, [later]):
        accountant.deliver([accountant.observe(entry) for entry in batch])
    accountant.idle()
