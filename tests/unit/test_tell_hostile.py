"""A follower among entries in every shape, outages and ends of any kind: it goes on, and sends what it should."""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import Unavailable
from notifications.channels.slack.text import UNKNOWN_AUTHOR, message
from notifications.events.channel_entries import parser
from notifications.events.event import Event
from notifications.follow_journal.follower import Follower
from notifications.journal import FileJournal, Journal
from notifications.models import FailedDelivery, Loss, Position
from notifications.positions.key import Key
from tests.support.tell import Clock, ScriptedChannel
from tests.support.tell_hostile import AnyJournal, Mortal, append, hostile_fields

pytestmark = pytest.mark.django_db(transaction=True)


class Plain(ScriptedChannel):
    """Keeps what it was given. `away`: takes nothing; `dying`: the process is killed when it has taken a message."""

    def __init__(self) -> None:
        super().__init__("SLACK")
        self.events: list[Event] = []
        self.away = self.dying = False
        self.repeated = 0

    def deliver(self, events: Sequence[Event]) -> None:
        if self.away:
            raise Unavailable("down")
        self.events += events
        if self.dying:
            self.dying = False
            self.repeated += size(events)
            raise KeyboardInterrupt


class Batches(Plain):
    batch = 3


class People(Plain):
    digests = True
    interval = 1.0


def size(events: Sequence[Event]) -> int:
    """How many events they stand for."""
    return sum(event.data["digest"]["count"] if "digest" in event.data else 1 for event in events)


def key() -> Key:
    return Key(f"machine-{os.getpid()}", "memory://", "SLACK")


def forget() -> None:
    Position.objects.all().delete()
    FailedDelivery.objects.all().delete()
    Loss.objects.all().delete()


def tell(journal: Journal, text: str) -> None:
    journal.write(journal.encode({"MESSAGE": f"SLACK: {text}", "PROPPY_EVENT": "SLACK", "PROPPY_ID": f"t:{text}"}))


def happen(step: Any, journal: Any, channel: Plain, lives: Mortal) -> None:
    match step:
        case int():
            lives.turn(step)
        case dict():
            journal.put(step)
        case bytes():
            append(journal.folder, step)
        case "event":
            tell(journal, "genuine")
        case "line":
            journal.write(journal.encode({"MESSAGE": "SLACK: genuine"}))
        case _:
            end_or_outage(step, journal, channel, lives)


def end_or_outage(step: Any, journal: Any, channel: Plain, lives: Mortal) -> None:
    match step:
        case "killed":
            lives.kill()
        case "killed while it sends":
            channel.dying = True
        case "ended":
            lives.end()
        case "journal", away:
            journal.away = away
        case "channel", away:
            channel.away = away


STEPS: Final = st.lists(
    st.sampled_from(["event", "event", "event", "line", "killed while it sends", "killed", "ended"])
    | hostile_fields
    | st.integers(1, 5)
    | st.tuples(st.sampled_from(["journal", "channel"]), st.booleans()),
    max_size=30,
)


def live_through(steps: list[Any], channel: Plain, clock: Clock, *, text: bool) -> None:
    """All steps, then peace."""
    forget()
    journal = AnyJournal()
    with Mortal(lambda: Follower(channel, journal, parser("SLACK", text=text), key()), clock) as lives:
        for step in steps:
            happen(step, journal, channel, lives)
        journal.away = channel.away = channel.dying = False
        lives.turn(80)
    assert not FailedDelivery.objects.exists()
    assert not Loss.objects.exists()


@pytest.mark.parametrize("kind", [Plain, Batches, People])
@given(steps=STEPS)
def test_no_entry_stops_it_or_passes_for_an_event(clock: Clock, kind: type[Plain], steps: list[Any]) -> None:
    channel = kind()
    live_through(steps, channel, clock, text=False)
    assert size(channel.events) == steps.count("event") + channel.repeated
    for event in channel.events:
        lines = event.text.splitlines()
        shown = lines if len(lines) == 1 else [line for line in lines[1:] if not line.startswith("… ")]
        assert {line.split()[-1] for line in shown} == {"genuine"}


@pytest.mark.parametrize("kind", [Plain, People])
@given(steps=STEPS)
def test_no_line_passes_for_one_of_a_known_author(clock: Clock, kind: type[Plain], steps: list[Any]) -> None:
    channel = kind()
    live_through(steps, channel, clock, text=True)
    assert size(channel.events) >= steps.count("line")
    for event in channel.events:
        lines = message(event).split("\n")
        shown = lines if len(lines) == 1 else [line for line in lines[1:] if not line.startswith("… ")]
        assert all(UNKNOWN_AUTHOR in line[: len("00:00:00 ") + len(UNKNOWN_AUTHOR)] for line in shown)


DAMAGED: Final = [
    b"\n",
    b"\0" * 5000,
    b"null\n",
    b'{"__REALTIME_TIMESTAMP":1e999}\n',
    b'{"__REALTIME_TIMESTAMP":"%s"}\n' % (b"9" * 30),
    b'{"__REALTIME_TIMESTAMP":"1","MESSAGE":%s%s}\n' % (b"[" * 1000, b"]" * 1000),
    b'{"__REALTIME_TIMESTAMP":"1","PROPPY_EVENT":"SLACK","MESSAGE":"SLACK: torn',
    b'{"__REALTIME_TIMESTAMP":"1","PROPPY_EVENT":"SLACK","PROPPY_EVENT":"OPS","_UID":null}\n',
    b"[" * 100_000 + b"\n",
    b"x" * 1_100_000,
]


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("line", DAMAGED, ids=range(len(DAMAGED)))
def test_no_damaged_line_stops_it(clock: Clock, tmp_path: Path, line: bytes, *, text: bool) -> None:
    """Without hypothesis, which raises Python's limit of recursion."""
    channel = People()
    with closing(FileJournal(tmp_path)) as journal:
        journal.write(journal.encode({"MESSAGE": "SLACK: genuine"}))
        tell(journal, "genuine")
        append(tmp_path, line)
        journal.write(journal.encode({"MESSAGE": "SLACK: genuine"}))
        tell(journal, "genuine")
        with Mortal(lambda: Follower(channel, journal, parser("SLACK", text=text), key()), clock) as lives:
            lives.turn(20)
    assert [event.text for event in channel.events] == ["genuine"] * 2


RAW: Final = st.binary(max_size=200) | st.sampled_from(DAMAGED)


@given(steps=st.lists(RAW | st.sampled_from(["event", "event", "killed", "ended"]) | st.integers(1, 3), max_size=30))
def test_bytes_in_its_files_cost_no_event(clock: Clock, tmp_path: Path, steps: list[Any]) -> None:
    forget()
    channel = People()
    folder = Path(mkdtemp(dir=tmp_path))
    with closing(FileJournal(folder, max_file_bytes=2000, max_files=99)) as journal:
        tell(journal, "genuine")
        with Mortal(lambda: Follower(channel, journal, parser("SLACK", text=False), key()), clock) as lives:
            for step in steps:
                happen(step, journal, channel, lives)
            lives.turn(80)
    assert size(channel.events) == 1 + steps.count("event")


@pytest.mark.parametrize("seconds", [1e12, 1e308, float("inf"), float("nan"), -5.0])
def test_no_retry_after_stops_it(clock: Clock, seconds: float) -> None:
    forget()
    journal = AnyJournal()
    tell(journal, "genuine")
    channel = ScriptedChannel("SLACK", [Unavailable("limited", retry_after=seconds)])
    with Mortal(lambda: Follower(channel, journal, parser("SLACK", text=False), key()), clock) as lives:
        lives.turn(3)
    assert channel.tried
