"""Followers on a real journald: other users, odd bytes, restarts, rotation, vacuum, a journalctl that dies."""

import os
import pwd
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest

from notifications.events import emit
from notifications.events.channel_entries import parser
from notifications.events.event import Event
from notifications.events.outbox import Outbox
from notifications.follow_journal.follower import Follower
from notifications.journal import JournaldJournal
from notifications.models import Loss, Position
from notifications.positions import saved_position
from notifications.positions.key import Key
from tests.support.followed_journal import turn
from tests.support.journald import JournaldNamespace
from tests.support.journals import exit_code, in_child, settle
from tests.support.tell import ClosedOnce, ScriptedChannel
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

NOBODY: Final = pwd.getpwnam("nobody").pw_uid
Follow = Callable[..., "Running"]


class Seen(ScriptedChannel):
    """Keeps the events, too."""

    def __init__(self, name: str = "SLACK") -> None:
        super().__init__(name)
        self.events: list[Event] = []

    def deliver(self, events: Sequence[Event]) -> None:
        super().deliver(events)
        self.events += events


class Running:
    """A follower that is turned while a test waits."""

    def __init__(self, follower: Follower[Event], channel: Seen) -> None:
        self.follower, self.channel = follower, channel

    def until(self, condition: Callable[[], object]) -> None:
        """Turn it until the condition holds."""

        def holds() -> object:
            turn(self.follower)
            return condition()

        wait_for(holds, timeout=30, message=f"{self.channel.delivered[-9:]}")

    def until_delivered(self, *texts: str) -> None:
        """Turn it until just these were delivered, in this order."""
        self.until(lambda: len(self.channel.delivered) >= len(texts))
        assert self.channel.delivered == list(texts)


@pytest.fixture
def journal(journald: JournaldNamespace) -> Iterator[JournaldJournal]:
    opened = JournaldJournal(journald.name)
    yield opened
    opened.close()


@pytest.fixture
def outbox(journal: JournaldJournal) -> Outbox:
    return Outbox(journal, emit.lost_entry)


@pytest.fixture
def follow(journal: JournaldJournal) -> Iterator[Follow]:
    """Starts a follower of a channel; the one before must be closed."""
    made: list[Running] = []

    def run(name: str = "SLACK", *, text: bool = False, **options: Any) -> Running:
        channel = Seen(name)
        parse = parser(name, text=text)
        key = Key("machine", journal.url + "#text" * text, name)
        made.append(Running(ClosedOnce(channel, journal, parse, key, **options), channel))
        return made[-1]

    yield run
    for running in made:
        running.follower.close()


def tell(outbox: Outbox, *texts: str, name: str = "SLACK") -> None:
    for text in texts:
        outbox.write(emit.new_entry(name, text))
    assert outbox.flush(30)


def send_as_nobody(journal: JournaldJournal, **fields: str) -> None:
    """As any local user may, where the socket lets everybody in."""
    record = journal.encode({"SYSLOG_IDENTIFIER": "proppy", **fields})

    def send() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        journal.write(record)

    assert exit_code(in_child(send)) == 0


def test_odd_text_arrives_as_it_is(outbox: Outbox, follow: Follow) -> None:
    texts = ["a\nb", "a\0b", "\ud800", "😀\x1b[31m", "", "x" * 5000, "x\nPROPPY_EVENT=OPS\nMESSAGE=OPS: forged"]
    tell(outbox, *texts)
    running = follow()
    running.until_delivered(*texts)
    other = follow("OPS", drain=True)
    assert wait_for(lambda: other.follower.poll() is None)
    assert other.channel.delivered == []


def test_other_users_cannot_forge(
    journald: JournaldNamespace,
    journal: JournaldJournal,
    outbox: Outbox,
    follow: Follow,
) -> None:
    """With the socket open to all, as the machine's own journal is."""
    os.chmod(journald.socket_path.parent, 0o755)
    os.chmod(journald.socket_path, 0o666)
    for extra in ({}, {"_UID": str(os.getuid())}, {"UID": "0"}):
        send_as_nobody(journal, MESSAGE="SLACK: forged", PROPPY_EVENT="SLACK", PROPPY_ID="x:1", **extra)
    send_as_nobody(journal, MESSAGE="SLACK: a plain line")
    settle(journal)
    tell(outbox, "genuine")
    follow().until_delivered("genuine")
    plain = follow(text=True)
    plain.until_delivered("a plain line")
    assert not plain.channel.events[0].author_known


def test_restart_of_the_follower(outbox: Outbox, follow: Follow) -> None:
    tell(outbox, "a", "b")
    first = follow()
    first.until_delivered("a", "b")
    tell(outbox, *"xyz", name="OPS")
    first.follower.close()
    tell(outbox, "c")
    follow().until_delivered("c")
    assert not Loss.objects.exists()


@pytest.mark.parametrize("end", ["restart", "kill", "rotate"])
def test_journald_comes_and_goes(journald: JournaldNamespace, outbox: Outbox, follow: Follow, end: str) -> None:
    tell(outbox, "before")
    running = follow()
    running.until_delivered("before")
    getattr(journald, end)()
    if end == "kill":
        outbox.write(emit.new_entry("SLACK", "meanwhile"))
        journald.start()
    tell(outbox, "after")
    running.until_delivered("before", *(["meanwhile"] if end == "kill" else []), "after")
    assert not Loss.objects.exists()


def test_a_stopped_journald_and_a_full_socket(journald: JournaldNamespace, outbox: Outbox, follow: Follow) -> None:
    texts = [str(n) for n in range(700)]
    journald.pause()
    for text in texts:
        outbox.write(emit.new_entry("SLACK", text))
    journald.resume()
    follow().until_delivered(*texts)


def test_vacuum_while_nobody_follows_is_a_loss(
    journald: JournaldNamespace,
    journal: JournaldJournal,
    outbox: Outbox,
    follow: Follow,
) -> None:
    tell(outbox, "a")
    first = follow()
    first.until_delivered("a")
    first.follower.close()
    tell(outbox, "b")
    settle(journal)
    journald.vacuum()
    tell(outbox, "c")
    running = follow()
    running.until(lambda: "c" in running.channel.delivered)
    running.follower.poll()
    loss = Loss.objects.get()
    assert (loss.channel, loss.origin.endswith(journal.url)) == ("SLACK", True)
    assert loss.count is not None
    assert loss.count >= 1  # journald's own entries are counted too
    assert running.channel.delivered == ["c"]


def test_rotation_while_nobody_follows_is_no_loss(journald: JournaldNamespace, outbox: Outbox, follow: Follow) -> None:
    tell(outbox, "a")
    first = follow()
    first.until_delivered("a")
    first.follower.close()
    tell(outbox, "b")
    journald.rotate()
    tell(outbox, "c")
    follow().until_delivered("b", "c")
    assert not Loss.objects.exists()


def test_a_cursor_of_nobody_starts_at_the_oldest_with_a_loss(
    journal: JournaldJournal, outbox: Outbox, follow: Follow
) -> None:
    tell(outbox, "a")
    saved_position.save(Key("machine", journal.url, "SLACK"), "s=garbage", 1, delivered=True)
    follow().until_delivered("a")
    assert "cannot be read" in Loss.objects.get().reason


def test_a_journalctl_that_dies_is_replaced(journald: JournaldNamespace, outbox: Outbox, follow: Follow) -> None:
    tell(outbox, "a")
    running = follow()
    running.until_delivered("a")
    for text in "bcd":
        running.until(journald.journalctls)
        for pid in journald.journalctls():
            os.kill(pid, signal.SIGKILL)
        tell(outbox, text)
        running.until(lambda text=text: text in running.channel.delivered)  # type: ignore[misc]  # a default binds it
    assert running.channel.delivered == list("abcd")
    assert not Loss.objects.exists()


def test_a_rare_event_is_not_searched_for_from_the_start(outbox: Outbox, follow: Follow) -> None:
    """The position passes the events of others: vector#17957."""
    tell(outbox, "a")
    running = follow()
    running.until_delivered("a")
    before = Position.objects.get().cursor
    tell(outbox, *(str(n) for n in range(300)), name="OPS")
    running.until(lambda: Position.objects.get().cursor != before)
    running.follower.close()
    again = follow(drain=True)
    assert wait_for(lambda: again.follower.poll() is None)
    assert again.channel.delivered == []
