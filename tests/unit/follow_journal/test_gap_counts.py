"""A file journal that was cut, damaged or lost a file: what is gone is counted by the numbers of its processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notifications.events import emit
from notifications.events.channel_entries import parser
from notifications.events.process_token import new_token
from notifications.follow_journal.follower import Follower
from notifications.journal import FileJournal
from notifications.journal.file.files import path_of, sequences
from notifications.models import Loss
from tests.support.followed_journal import FollowedJournal
from tests.support.series import Counts
from tests.support.tell import ScriptedChannel

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(FollowedJournal):
    """One process that tells, by default."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FileJournal(folder, max_file_bytes=4000))
        self.folder = folder
        self.token = new_token()
        self.count = 0

    def tell(self, count: int = 1) -> None:
        for _ in range(count):
            self.count += 1
            self.write(self.count, self.token)

    def write(self, number: int, token: str) -> None:
        entry = emit.new_entry("SLACK", f"{number} {'x' * 100}") | {"PROPPY_ID": f"{token}:{number}"}
        self.journal.write(self.journal.encode(entry))

    def fill(self, files: int) -> list[Path]:
        """Events until so many files are sealed; those files."""
        first = sequences(self.folder, missing_ok=True)[-1:] or [1]
        while sequences(self.folder, missing_ok=True)[-1:] < [first[0] + files]:
            self.tell()
        return [path_of(self.folder, first[0] + number) for number in range(files)]


def numbers_in(path: Path) -> list[int]:
    lines = path.read_bytes().splitlines()
    return [int(line.split(b"SLACK: ")[1].split()[0]) for line in lines if line.endswith(b"}")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "journal")
    yield desk
    desk.journal.close()


def losses(channel: str = "SLACK") -> list[int | None]:
    return list(Loss.objects.filter(channel=channel).order_by("pk").values_list("count", flat=True))


def cut_in_an_entry(path: Path) -> None:
    rewrite(path, lambda data: data[: len(data) // 2])


def cut_between_entries(path: Path) -> None:
    rewrite(path, lambda data: data[: data.index(b"}\n", len(data) // 2) + 2])


def cut_to_nothing(path: Path) -> None:
    rewrite(path, lambda _: b"")


def spoil_a_line(path: Path) -> None:
    rewrite(path, lambda data: data.replace(b'"PROPPY_ID"', b"?", 1))


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    mode = path.stat().st_mode
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(change(data))
    path.chmod(mode)


@pytest.mark.parametrize("damage", [Path.unlink, cut_in_an_entry, cut_between_entries, cut_to_nothing, spoil_a_line])
def test_a_file_between_the_position_and_now(desk: Desk, damage: Callable[[Path], object], counts: Counts) -> None:
    desk.tell(2)
    assert desk.follow() == [1, 2]
    desk.account()
    _, file, _ = desk.fill(3)
    before = numbers_in(file)
    damage(file)
    delivered = desk.follow()
    lost = sorted(set(range(3, desk.count + 1)) - set(delivered))
    assert delivered == sorted(set(delivered))
    assert lost
    assert set(lost) <= set(before)
    assert losses() == [len(lost)]
    desk.account()
    assert losses("LOST") == [len(lost)]
    desk.tell()
    assert desk.follow() == [desk.count]
    desk.account()
    assert Loss.objects.count() == 2
    lost_series = {label: count for (name, label), count in counts.counts().items() if name == "lost"}
    assert lost_series == {"SLACK": len(lost), "": len(lost)}, "by channel, and of all: the accountant's"


@pytest.mark.parametrize("sealed", [False, True])
def test_the_file_with_the_position(desk: Desk, sealed: bool) -> None:
    """What was delivered is not lost, and does not come again."""
    desk.tell(4)
    assert desk.follow() == [1, 2, 3, 4]
    desk.tell(1)
    if sealed:
        desk.fill(1)
    path = path_of(desk.folder, 1)
    before = numbers_in(path)
    rewrite(path, lambda data: data[: data.index(b"SLACK: 3")])
    desk.tell(3)
    delivered = desk.follow()
    assert delivered == [number for number in range(5, desk.count + 1) if number not in before]
    assert losses() == [len(before) - 4]


def test_what_another_channel_had_read_before_the_file_was_cut(desk: Desk) -> None:
    desk.tell(3)
    assert desk.follow() == [1, 2, 3]
    desk.tell(6)
    desk.account()
    rewrite(path_of(desk.folder, 1), lambda data: data[: data.index(b"\n\n", data.index(b"SLACK: 5")) + 1])
    desk.tell(1)
    assert desk.follow() == [4, 5, 10]
    desk.account()
    assert (losses(), losses("LOST")) == ([4], [None])


def test_a_file_that_is_cut_while_it_is_followed(desk: Desk) -> None:
    channel = ScriptedChannel()
    follower = Follower(channel, desk.journal, parser("SLACK", text=False), desk.key("SLACK"))
    try:
        desk.tell(3)
        while follower.poll() == 0:
            pass
        desk.tell(1)
        cut_to_nothing(path_of(desk.folder, 1))
        follower.poll()
        desk.tell(2)
        while len(channel.delivered) < 5:
            follower.poll()
    finally:
        follower.close()
    assert [int(text.split()[0]) for text in channel.delivered] == [1, 2, 3, 5, 6]
    assert losses() == [1]


def test_a_process_that_writes_again_later_tells_then(desk: Desk, counts: Counts) -> None:
    other = new_token()
    desk.write(1, other)
    desk.tell(1)
    assert desk.follow() == [1, 1]
    desk.write(2, other)
    desk.write(3, other)
    _, file = desk.fill(2)
    path_of(desk.folder, 1).unlink()
    first = numbers_in(file)[0]
    assert desk.follow()[0] == first
    assert losses() == [first - 2]
    desk.write(4, other)
    assert desk.follow() == [4]
    assert losses() == [first - 2 + 2]
    assert counts.counts()["lost", "SLACK"] == first - 2 + 2


def test_where_nobody_writes_again_it_is_unknown(desk: Desk) -> None:
    other = new_token()
    desk.tell(1)
    assert desk.follow() == [1]
    while sequences(desk.folder) == [1]:
        desk.write(1, other)
    desk.tell(1)
    path_of(desk.folder, 1).unlink()
    assert desk.follow()[-1] == 2
    assert losses() == [None]
