"""Archived files of a real journald that are missing, truncated or damaged between a channel's position and now."""

import fcntl
import os
import signal
import termios
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from notifications.channels import Unavailable
from notifications.events import emit
from notifications.events.channel_entries import parser
from notifications.events.outbox import Outbox
from notifications.follow_journal.follower import Follower
from notifications.follow_journal.pace import Pace
from notifications.journal import JournaldJournal
from notifications.models import Loss
from tests.support.followed_journal import FollowedJournal, turn
from tests.support.journal_damage import (
    archives,
    spoil_entries,
    spoil_header,
    spoil_index,
    spoil_name,
    spoil_value,
    truncate,
)
from tests.support.journald import JournaldNamespace
from tests.support.journals import exit_code, in_child, settle, write
from tests.support.tell import ScriptedChannel
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

#: Events in each archived file.
EACH: Final = 20
Damage = Callable[[Path], object]


class Stage(FollowedJournal):
    """Events in several files, by one process."""

    def __init__(self, journald: JournaldNamespace) -> None:
        super().__init__(JournaldJournal(journald.name))
        self.journald = journald
        self._outbox = Outbox(self.journal, emit.lost_entry)
        self.count = 0

    def tell(self, count: int = 1) -> None:
        for _ in range(count):
            self._outbox.write(emit.new_entry("SLACK", str(self.count)))
            self.count += 1
        assert self._outbox.flush(30)
        settle(self.journal)

    def fill(self, files: int) -> list[Path]:
        """Events in so many files, all of them archived; those files."""
        before = set(archives(self.journald))
        for _ in range(files):
            self.tell(EACH)
            self.journald.rotate()
        self.tell()
        return [path for path in archives(self.journald) if path not in before]


@pytest.fixture
def stage(journald: JournaldNamespace) -> Iterator[Stage]:
    stage = Stage(journald)
    try:
        stage.tell(3)
        assert stage.follow() == [0, 1, 2]
        stage.account()
        yield stage
    finally:
        stage.journal.close()


def losses(channel: str = "SLACK") -> list[tuple[int | None, str]]:
    return list(Loss.objects.filter(channel=channel).order_by("pk").values_list("count", "reason"))


def test_what_is_whole_is_no_loss(stage: Stage) -> None:
    stage.fill(3)
    assert stage.follow() == list(range(3, stage.count))
    stage.account()
    assert not Loss.objects.exists()


@pytest.mark.parametrize("damage", [Path.unlink, truncate, spoil_header])
def test_a_file_that_is_missing_or_cannot_be_opened_is_a_loss_of_known_size(stage: Stage, damage: Damage) -> None:
    _, file, _ = stage.fill(3)
    damage(file)
    lost = range(3 + EACH, 3 + 2 * EACH)
    assert stage.follow() == [number for number in range(3, stage.count) if number not in lost]
    ((count, reason),) = losses()
    assert count == EACH
    assert "missing" in reason if damage is Path.unlink else file.name in reason
    stage.account()
    assert losses("LOST") == [(count, reason)]
    assert Loss.objects.count() == 2
    stage.tell()
    assert stage.follow() == [stage.count - 1]
    stage.account()
    assert Loss.objects.count() == 2


def spoil_shared_value(path: Path) -> None:
    spoil_value(path, b"SYSLOG_IDENTIFIER=proppy")


def spoil_a_few(path: Path) -> None:
    spoil_entries(path, 3)


def spoil_one_name(path: Path) -> None:
    spoil_name(path, b"MESSAGE=SLACK: 3")


def spoil_all_names(path: Path) -> None:
    spoil_name(path, b"PROPPY_EVENT=SLACK")


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        (spoil_index, EACH),  # what no filter finds is read without one
        (spoil_a_few, EACH - 3),
        (spoil_one_name, EACH - 1),
        (spoil_all_names, 0),
        (spoil_shared_value, 0),
    ],
)
def test_a_file_with_damaged_bytes_costs_what_cannot_be_read_and_no_more(
    stage: Stage, damage: Damage, read: int
) -> None:
    _, file, _ = stage.fill(3)
    damage(file)
    delivered = stage.follow()
    assert delivered == sorted(set(delivered))
    lost = set(range(3, stage.count)) - set(delivered)
    assert lost <= set(range(3 + EACH, 3 + 2 * EACH))
    assert len(lost) == EACH - read
    found = losses()
    assert [(count or 0, file.name in reason) for count, reason in found] == [(len(lost), True)]
    stage.tell()
    assert stage.follow() == [stage.count - 1]
    assert losses() == found


@pytest.mark.parametrize("damage", [Path.unlink, truncate, spoil_header])
def test_the_file_with_the_position_is_a_loss_of_known_size(stage: Stage, damage: Damage) -> None:
    stage.fill(3)
    assert stage.follow() == list(range(3, stage.count))
    stage.tell(5)
    stage.journald.rotate()
    file = archives(stage.journald)[-1]
    stage.tell()
    damage(file)
    assert stage.follow() == [stage.count - 1]
    assert [(count, "damaged or missing" in reason) for count, reason in losses()] == [(5, True)]


def test_what_one_channel_has_read_already_is_a_loss_of_the_other_alone(stage: Stage) -> None:
    _, file, _ = stage.fill(3)
    stage.account()
    file.unlink()
    stage.account()
    stage.follow()
    assert [count for count, _ in losses()] == [EACH]
    assert Loss.objects.count() == 1


def test_of_a_process_that_wrote_nothing_since_nobody_knows_how_many(stage: Stage) -> None:
    stage.tell()
    stage.journald.rotate()
    assert exit_code(in_child(lambda: Stage(stage.journald).tell(4))) == 0
    stage.journald.rotate()
    file = archives(stage.journald)[-1]
    stage.tell()
    file.unlink()
    assert stage.follow() == [3, 4]
    ((count, reason),) = losses()
    assert count is None
    assert "missing" in reason


@pytest.mark.parametrize("happened", ["rotate", "restart", "kill", "vacuum"])
def test_what_journald_does_itself_is_no_damage(stage: Stage, happened: str) -> None:
    for _ in range(3):
        stage.tell(EACH)
        getattr(stage.journald, happened)()
        stage.journald.start()
    stage.tell()
    delivered = stage.follow()
    if happened == "vacuum":
        assert delivered == [stage.count - 1]
        assert losses() == [(3 * EACH, "the entry at this position was removed")]
    else:
        assert delivered == list(range(3, stage.count))
        assert not Loss.objects.exists()


def test_the_files_of_users_share_the_numbers(stage: Stage) -> None:
    """journald gives each user files of its own, whose entries take numbers between those of the others."""
    os.chmod(stage.journald.socket_path.parent, 0o755)
    os.chmod(stage.journald.socket_path, 0o666)

    def tell_as_user() -> None:
        os.setgroups([])
        os.setgid(12345)
        os.setuid(12345)
        for number in range(30):
            write(stage.journal, f"SLACK: {number} of another user")

    for _ in range(3):
        assert exit_code(in_child(tell_as_user)) == 0
        settle(stage.journal)
        stage.journald.rotate()
        stage.tell(EACH)
        assert exit_code(in_child(tell_as_user)) == 0
        settle(stage.journal)
        stage.journald.rotate()
    assert any(path.name.startswith("user-12345@") for path in stage.journald.files)
    stage.tell()
    assert stage.follow() == list(range(3, stage.count))
    stage.account()
    assert not Loss.objects.exists()


def waiting_bytes(pipe: int) -> int:
    """What journalctl has written and nobody has read yet."""
    size = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, size)
    return size[0]


class OneByOne(ScriptedChannel):
    batch = 1


@pytest.mark.parametrize("stopped", [False, True], ids=["read before", "not read before"])
def test_a_file_that_goes_while_the_channel_is_away(stage: Stage, stopped: bool) -> None:
    """What journalctl has read of it is delivered; what it has not is a loss. No restart is needed to see it."""
    channel = OneByOne()
    follower = Follower(channel, stage.journal, parser("SLACK", text=False), stage.key("SLACK"), pace=Pace(0))
    try:
        wait_for(lambda: turn(follower) and stage.journald.journalctls(), message="journalctl -f")
        (journalctl,) = stage.journald.journalctls()
        pipe = follower.fileno()
        assert pipe is not None
        channel.script.extend([Unavailable("away")] * 1000)
        stage.tell()
        wait_for(lambda: turn(follower) and channel.tried, message="it fails")
        if stopped:
            os.kill(journalctl, signal.SIGSTOP)
        _, file, _ = stage.fill(3)
        if not stopped:
            wait_for(lambda: waiting_bytes(pipe) > 3 * EACH * 300, message="journalctl has read nearly all")
        file.unlink()
        os.kill(journalctl, signal.SIGCONT)
        channel.script.clear()
        wait_for(lambda: turn(follower) and channel.delivered[-1:] == [str(stage.count - 1)], timeout=60)
        stage.tell()
        wait_for(lambda: turn(follower) and channel.delivered[-1:] == [str(stage.count - 1)], timeout=60)
    finally:
        follower.close()
    lost = range(4 + EACH, 4 + 2 * EACH) if stopped else ()
    assert [int(text) for text in channel.delivered] == [
        number for number in range(3, stage.count) if number not in lost
    ]
    assert [(count, "missing" in reason) for count, reason in losses()] == [(EACH, True)] * stopped
