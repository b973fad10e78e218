"""Followers of one real journald share one journalctl, whatever happens to that, to the journal and to each other."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from notifications.events import emit
from notifications.events.channel_entries import parser
from notifications.events.outbox import Outbox
from notifications.follow_journal import shared_reader, silent_journalctl
from notifications.follow_journal.follower import Follower
from notifications.follow_journal.shared_reader import SharedReader
from notifications.journal import JournaldJournal
from notifications.losses import Accountant
from notifications.models import Loss, Position, Refusal
from notifications.positions.key import Key
from notifications.workers.loop import Worker
from tests.support.journald import JournaldNamespace
from tests.support.tell import ScriptedChannel
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

NAMES = ("SLACK", "REPORT", "OPS")


class Command:
    """The followers of three channels, the accountant, and their shared reader, turned one after another."""

    def __init__(self, journal: JournaldJournal) -> None:
        self.shared = SharedReader(journal)
        self.channels = [ScriptedChannel(name) for name in NAMES]
        accountant = Accountant("machine", journal.url, lambda: NAMES, alert="")
        key = Key("machine", journal.url, "LOST")
        self.followers: list[Worker] = [
            Follower(
                channel,
                journal,
                parser(channel.name, text=False),
                Key("machine", journal.url, channel.name),
                shared=self.shared,
            )
            for channel in self.channels
        ]
        observe = accountant.observe
        self.followers.append(Follower(accountant, journal, observe, key, observer=accountant, shared=self.shared))
        self.stopped = 0

    def turn(self) -> None:
        for worker in [self.shared, *self.followers[self.stopped :]]:
            for _ in range(20):
                if worker.poll() != 0:
                    break

    def until(self, condition: Callable[[], object], message: str = "") -> None:
        """Turn all that are not stopped until the condition holds."""

        def holds() -> object:
            self.turn()
            return condition()

        wait_for(holds, timeout=60, message=message or str([channel.delivered[-5:] for channel in self.channels]))

    def close(self) -> None:
        for worker in [*self.followers, self.shared]:
            worker.close()


@pytest.fixture
def command(journal: JournaldJournal) -> Iterator[Command]:
    running = Command(journal)
    yield running
    running.close()


class Teller:
    """Tells events, and knows what each channel must be given."""

    def __init__(self, journal: JournaldJournal) -> None:
        self._outbox = Outbox(journal, emit.lost_entry)
        self.told: dict[str, list[str]] = {name: [] for name in NAMES}
        self._count = 0

    def tell(self, count: int = 3) -> None:
        for _ in range(count):
            name, self._count = NAMES[self._count % len(NAMES)], self._count + 1
            self._outbox.write(emit.new_entry(name, str(self._count)))
            self.told[name].append(str(self._count))
        assert self._outbox.flush(30)

    def all_delivered(self, command: Command) -> bool:
        return all(len(channel.delivered) >= len(self.told[channel.name]) for channel in command.channels)


@pytest.fixture
def teller(journal: JournaldJournal) -> Teller:
    return Teller(journal)


def check(command: Command, teller: Teller) -> None:
    """Each event was delivered once and in order, and the accounts say so."""
    assert {channel.name: channel.delivered for channel in command.channels} == teller.told
    assert list(Loss.objects.values_list("reason", "count")) == []
    assert not Refusal.objects.exists()


def positions() -> set[str]:
    return set(Position.objects.values_list("cursor", flat=True))


def test_one_journalctl_serves_all_through_kills_rotation_vacuum_and_restart(
    journald: JournaldNamespace, command: Command, teller: Teller
) -> None:
    def kill() -> None:
        for pid in journald.journalctls():
            os.kill(pid, signal.SIGKILL)

    for change in (kill, journald.rotate, kill, journald.vacuum, journald.restart, kill):
        teller.tell()
        command.until(lambda: teller.all_delivered(command) and len(journald.journalctls()) == 1)
        change()
        teller.tell(30)
    command.until(lambda: teller.all_delivered(command) and len(journald.journalctls()) == 1)
    check(command, teller)
    command.until(lambda: len(positions()) == 1, "all are at the same position")


def test_who_lags_has_its_own_until_it_has_caught_up(
    journald: JournaldNamespace, command: Command, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reader, "MOST_UNREAD", 5)
    teller.tell()
    command.until(lambda: teller.all_delivered(command) and len(journald.journalctls()) == 1)
    command.stopped = 1
    fast = command.channels[1:]
    for _ in range(10):
        teller.tell()
        command.until(lambda: all(len(each.delivered) == len(teller.told[each.name]) for each in fast))
    assert len(command.channels[0].delivered) == 1
    command.stopped = 0
    command.until(lambda: teller.all_delivered(command))
    teller.tell()
    command.until(lambda: teller.all_delivered(command) and len(journald.journalctls()) == 1)
    check(command, teller)


def test_a_hanging_journalctl_is_left_and_replaced(
    journald: JournaldNamespace, journal: JournaldJournal, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent_journalctl, "LONGEST_SILENCE", 1.0)
    monkeypatch.setattr(silent_journalctl, "SECONDS_TO_READ", 0.5)
    command = Command(journal)
    try:
        teller.tell()
        command.until(lambda: teller.all_delivered(command) and len(journald.journalctls()) == 1)
        (pid,) = journald.journalctls()
        os.kill(pid, signal.SIGSTOP)
        teller.tell()
        command.until(lambda: teller.all_delivered(command) and len(journald.journalctls()) == 1)
        assert pid not in journald.journalctls()
        check(command, teller)
    finally:
        command.close()


def test_the_journal_may_come_later() -> None:
    namespace = JournaldNamespace()
    journal = JournaldJournal(namespace.name)
    command, teller = Command(journal), Teller(journal)
    try:
        command.until(lambda: len(namespace.journalctls()) == 1)
        with namespace:
            teller.tell(30)
            command.until(lambda: teller.all_delivered(command) and len(namespace.journalctls()) == 1)
            check(command, teller)
    finally:
        command.close()
        journal.close()
