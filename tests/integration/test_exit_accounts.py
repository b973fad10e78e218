"""An ordinary exit while the journal is behind: what it takes arrives, the rest is lost by number, END is there."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from notifications.events.outbox import ENDED, QUEUE_FULL
from notifications.journal import Entry, JournaldJournal
from notifications.losses import Accountant
from notifications.models import Loss, Writer
from tests.support.child import Process
from tests.support.journald import JournaldNamespace
from tests.support.journals import read_all, settle
from tests.support.slow_journald import SlowJournald
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

#: Datagrams that a socket holds.
SOCKET: Final = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
SLOW: Final = 200
#: More than a slow journald takes while a process exits.
MANY: Final = SOCKET + 20 * SLOW
SETUP: Final = f"""
import django, multiprocessing, os, signal, sys, threading
django.setup()
from notifications import emit
def tell():
    for n in range({MANY}): emit('OPS', str(n))
"""
HOUR: Final = 3_600_000_000
Start = Callable[[str, str], Process]


@pytest.fixture
def start(start: Callable[..., Process]) -> Start:
    """Starts Python code with a journal."""
    return lambda code, journal_url: start(sys.executable, "-c", SETUP + code, JOURNAL_URL=journal_url)


@pytest.fixture
def slow() -> Iterator[SlowJournald]:
    if os.getuid():
        pytest.skip("needs root")
    with SlowJournald(SLOW) as journald:
        yield journald


def named(entries: list[Entry]) -> Counter[object]:
    return Counter(entry.fields.get("PROPPY_EVENT") for entry in entries)


def ended(process: Process) -> bool:
    return not process.alive


def account_for(entries: list[Entry]) -> Counter[str]:
    """Lost events by reason, as the accountant has them hours later; 0 for those that nobody can count."""
    now = entries[-1].time_us
    accountant = Accountant("machine", "journald://x", lambda: ["OPS"], alert="", clock=lambda: now / 1_000_000)
    accountant.deliver([accountant.observe(entry) for entry in entries])
    for _ in range(3):
        tick = {"PROPPY_EVENT": "TICK", "MESSAGE": "TICK: x", "_UID": str(os.getuid())}
        accountant.deliver([accountant.observe(Entry("later", now + HOUR, tick))])
        now += 2 * HOUR
        accountant.idle()
    assert not Writer.objects.exclude(missing=[]).exists()
    return Counter({row.reason: row.count or 0 for row in Loss.objects.all()})


def read(journald: JournaldNamespace) -> list[Entry]:
    journal = JournaldJournal(journald.name)
    settle(journal)
    entries = read_all(journal.open(follow=False, audit=True))
    journal.close()
    return entries


NO_HASTE: Final = f"""
import time
from notifications.utils import bounded_queue, process_exit
process_exit.DRAIN_SECONDS = 60
sleep, sleeps = time.sleep, []
bounded_queue.time.sleep = lambda seconds: (sleeps.append(seconds), sleep(seconds))
for n in range({SOCKET + 5000}): emit('OPS', str(n))
process_exit.before_exit(lambda: print(len(sleeps), 'pauses', flush=True))
"""


def test_what_waits_is_handed_on_without_pauses_of_our_own(journald: JournaldNamespace, start: Start) -> None:
    """A pause for each time that the socket is full would be 500 of them: too many for the two seconds at exit."""
    process = start(NO_HASTE, journald.url)
    wait_for(lambda: ended(process), timeout=120)
    entries = read(journald)
    assert named(entries) == {"OPS": SOCKET + 5000, "END": 1}, process.log
    assert account_for(entries) == {}
    pauses = [int(line.split()[0]) for line in process.log.splitlines() if line.endswith(" pauses")]
    assert pauses, process.log
    assert max(pauses) < 100


def test_a_loop_of_100_000_and_an_exit(journald: JournaldNamespace, start: Start) -> None:
    """More than the queue holds: each of them came, or is in the account by number."""
    process = start("for n in range(100_000): emit('OPS', str(n))", journald.url)
    wait_for(lambda: ended(process), timeout=120)
    entries = read(journald)
    assert named(entries)["END"] == 1, process.log
    lost = account_for(entries)
    assert set(lost) <= {QUEUE_FULL, ENDED}
    assert named(entries)["OPS"] + lost.total() == 100_000
    assert all(count in lost.values() for count in numbers_in(process.log))


def numbers_in(log: str) -> list[int]:
    return [int(line.split(": ", 1)[1].split()[0]) for line in log.splitlines() if "events were lost" in line]


EXITS: Final = {
    "main thread": ("tell()", 1),
    "an exception": ("tell(); 1 / 0", 1),
    "SIGTERM": ("signal.signal(signal.SIGTERM, lambda *_: sys.exit()); tell(); os.kill(os.getpid(), 15)", 1),
    "its handler": ("signal.signal(signal.SIGTERM, lambda *_: tell()); os.kill(os.getpid(), 15)", 1),
    "threads": ("for _ in range(3): threading.Thread(target=tell).start()", 3),
    "a late thread": (
        "threading.Thread(target=lambda: (threading.main_thread().join(), tell())).start(); emit('OPS', 'early')",
        1 + 1 / MANY,
    ),
    "a fork": ("child = os.fork(); tell()\nif child: os.waitpid(child, 0)", 2),
    "multiprocessing": (
        "child = multiprocessing.get_context('fork').Process(target=tell); child.start(); child.join()",
        1,
    ),
}


@pytest.mark.parametrize("how", EXITS)
def test_a_slow_journal_costs_events_but_no_account(slow: SlowJournald, start: Start, how: str) -> None:
    code, times = EXITS[how]
    process = start(code, slow.url)
    wait_for(lambda: ended(process), timeout=60)
    writers = 1 + ("fork" in how)
    wait_for(lambda: len(slow.named("END")) >= writers, timeout=60, message="END")
    assert set(account_for(slow.entries)) == {ENDED}
    told = sum(int(entry.fields["MESSAGE"].split()[1]) for entry in slow.named("LOST"))
    assert len(slow.named("OPS")) + told == round(MANY * times)
    assert sum(row.count or 0 for row in Loss.objects.all()) == told
    assert Writer.objects.filter(ended=True).count() == writers


def test_a_journal_that_is_stopped_for_good(journald: JournaldNamespace, start: Start) -> None:
    """The process ends all the same, and says on stderr how many are lost."""
    journald.pause()
    process = start("tell()", journald.url)
    wait_for(lambda: ended(process), timeout=60)
    journald.resume()
    arrived = named(read(journald))
    assert set(arrived) == {"OPS"}
    lost = f"{MANY - arrived['OPS']} events are lost: the process exits, and the journal does not take its report"
    assert lost in process.log
