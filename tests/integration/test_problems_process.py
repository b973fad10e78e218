"""What process_raw reports past journal and database: real processes, disks, PostgreSQL, and Slack over HTTP."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from notifications.operations.problem import RESTART
from notifications.operations.watch import OVER
from notifications.utils.file_locks import EXISTING, take_lock
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

pytestmark = [pytest.mark.services, pytest.mark.slow]
HOST: Final = os.uname().nodename
SOON: Final = 30.0


@pytest.fixture
def told(site: Site, slack: FakeSlack) -> Site:
    """Without a journal, and without a follower."""
    site.env |= slack.env | {"JOURNAL_URL": "journald://proppy-test-absent"}
    return site


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk with a little more room than intake needs."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def both(slack: FakeSlack, about: str) -> list[str]:
    """What was reported about a problem, once its end was too."""
    found = [message["text"] for message in slack.messages if about in message["text"]]
    return found if any(text.startswith("Over: ") for text in found) else []


def post(site: Site) -> int:
    """The status of the answer."""
    return site.browse().post("/in/demo/", b"x", {"Content-Type": "text/plain"}).status


def is_remembered(site: Site, problem: str) -> bool:
    """Whether another process would know that it was reported; one that is killed before that reports it again."""
    return (Path(site.env["STATE_DIR"]) / "alerts" / f"{problem}.reported").stat().st_size > 0


def is_watching(site: Site) -> bool:
    """Whether a process_raw is the one that watches."""
    try:
        os.close(take_lock(Path(site.env["STATE_DIR"]) / "locks" / "watch", EXISTING))
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def fill(folder: Path) -> None:
    """Take everything that is left."""
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(1 << 20)):
                pass
        except OSError:
            pass


@pytest.mark.parametrize(
    "state_too",
    [pytest.param(True, id="one disk"), pytest.param(False, id="a disk of its own", marks=pytest.mark.release)],
)
def test_a_full_disk_is_told_once_and_once_more_when_it_is_over(
    told: Site, slack: FakeSlack, small: Path, state_too: bool
) -> None:
    if state_too:
        told.env["STATE_DIR"] = str(small)
    told.env["DATABASE_URL"] = f"sqlite:///{small}/proppy.sqlite3"
    told.migrate()
    told.start("web")
    process = told.start("process_raw")
    assert post(told) == 202
    fill(small)
    wait_for(lambda: post(told) == 503)
    wait_for(lambda: slack.messages and is_remembered(told, "database-disk"), timeout=SOON)
    for _ in range(2):  # the next ones do not report it again, though nothing can be written
        process.kill()
        process = told.start("process_raw")
        wait_for(lambda: is_watching(told), timeout=SOON)
    status = told.manage("proppy_status")
    facts = rf"^CRITICAL  The database's disk on {HOST} has [\d.]+ [kM]B left: posts are refused \(503\) below 128.0 MB"
    assert re.search(facts, status, re.MULTILINE)
    (small / "ballast").unlink()
    full, over = wait_for(lambda: both(slack, "database's disk"), timeout=OVER + SOON)
    assert full.startswith(f"The database's disk on {HOST} has ")
    assert re.fullmatch(rf"Over: the database's disk on {HOST} is nearly full, after \d+ (s|min)", over)
    assert post(told) == 202


@pytest.mark.release
def test_a_handler_that_dies_together_with_the_database_is_told(told: Site, slack: FakeSlack, own: Postgres) -> None:
    told.env |= {"DJANGO_SETTINGS_MODULE": "tests.app_settings", "DATABASE_URL": own.url}
    told.migrate()
    told.start("web")
    process = told.start("process_raw")
    hold = told.folder / "state" / "hold-before"
    hold.touch()
    told.manage("shell", "-c", "from notifications import keep; keep('slow', b'x')")
    wait_for(lambda: (told.folder / "state" / "at-before").exists(), timeout=SOON)
    own.stop("immediate")
    hold.unlink()
    wait_for(lambda: "The database is away" in process.log, timeout=SOON)
    wait_for(lambda: slack.messages and is_remembered(told, "database-away"), timeout=RESTART + SOON)
    process.kill()
    said = process.log.count("The database is away")
    process = told.start("process_raw")
    wait_for(lambda: process.log.count("The database is away") > said, timeout=SOON)
    wait_for(lambda: is_watching(told), timeout=SOON)
    own.start()
    away, over = wait_for(lambda: both(slack, "database"), timeout=OVER + SOON)
    assert away.startswith(f"process_raw on {HOST} cannot use the database since ")
    assert "In hand, with nothing recorded: slow " in away
    assert re.fullmatch(rf"Over: the database is away, seen from {HOST}, after \d+ (s|min)", over)
