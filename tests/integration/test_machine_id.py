"""A machine whose id has changed between two runs of follow_journal: a real journald, real processes."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.child import BASE_DIR
from tests.support.journald import JournaldNamespace, with_file
from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.telling import Telling
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

LOSSES = "SELECT count, reason FROM notifications_loss WHERE channel = 'SLACK' AND origin NOT LIKE '%#text' ORDER BY id"


class Reborn(Telling):
    """Its journald and its follower see the id that the machine has just now."""

    def __init__(self, site: Site, journald: JournaldNamespace, slack: FakeSlack) -> None:
        super().__init__(site, journald, slack)
        self.ids: list[uuid.UUID] = []
        self.change_id()

    def change_id(self) -> None:
        self.journald.stop()
        self.journald.machine_id = uuid.uuid4()
        self.ids.append(self.journald.machine_id)
        self.journald.start()

    def follow(self) -> None:
        """To the end of what is there."""
        command = [sys.executable, "manage.py", "follow_journal", "--drain"]
        command = with_file("/etc/machine-id", f"{self.ids[-1].hex}\n", self.site.folder, command)
        done = subprocess.run(command, env=self.site.env, cwd=BASE_DIR, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def settle(self) -> None:
        """journald has all that was told, and keeps it in the folder of its id."""
        assert self.outbox.flush(10)
        command = [
            "journalctl",
            f"--directory={self.folder()}",
            "--output=cat",
            "--lines=1",
            "SYSLOG_IDENTIFIER=proppy",
        ]
        last = f"number {self.count - 1}\n"
        wait_for(lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith(last))

    def folder(self) -> Path:
        return wait_for(lambda: [path for path in self.journald.folders if path.name.startswith(self.ids[-1].hex)])[0]


@pytest.fixture
def reborn(site: Site, journald: JournaldNamespace, slack: FakeSlack) -> Iterator[Reborn]:
    site.migrate()
    reborn = Reborn(site, journald, slack)
    yield reborn
    reborn.end()


def test_what_was_unread_under_the_old_id_is_a_loss_of_known_size(reborn: Reborn) -> None:
    reborn.tell(3)
    reborn.settle()
    reborn.follow()
    reborn.tell(5)
    reborn.tell(2, name="REPORT")
    reborn.settle()
    folder = reborn.folder()
    reborn.change_id()
    reborn.tell(2)
    reborn.settle()
    for _ in range(2):
        reborn.follow()
    ((count, reason),) = reborn.rows(LOSSES)
    assert count == 5
    assert reborn.ids[0].hex in reason
    assert str(folder) in reason
    told = "\n".join(message["text"] for message in reborn.slack.messages)
    assert [number for number in range(reborn.count) if f"number {number}\n" in f"{told}\n"] == [0, 1, 2, 10, 11]
    assert told.count("the machine id was") == 1


def test_where_the_old_journal_is_gone_nobody_knows_how_much_it_was(reborn: Reborn) -> None:
    reborn.tell(3)
    reborn.settle()
    reborn.follow()
    folder = reborn.folder()
    reborn.change_id()
    shutil.rmtree(folder)
    for _ in range(2):
        reborn.follow()
    ((count, reason),) = reborn.rows(LOSSES)
    assert count is None
    assert "unknown" in reason


def test_where_all_was_read_nothing_is_lost(reborn: Reborn) -> None:
    reborn.tell(3)
    reborn.settle()
    reborn.follow()
    reborn.change_id()
    reborn.tell(2)
    reborn.settle()
    reborn.follow()
    assert reborn.rows(LOSSES) == []
    assert (reborn.site.folder / "state" / "machine-id").read_text().splitlines()[0] == reborn.ids[-1].hex
