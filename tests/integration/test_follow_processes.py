"""follow_journal as a real process, on the file journal: ended in any way, it loses nothing."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest

from notifications.events import emit
from notifications.journal import FileJournal
from tests.support.child import Process
from tests.support.journals import written
from tests.support.processes import Site
from tests.support.slack import FakeSlack, RateLimited
from tests.support.wait import wait_for

REPORTS: Final = 6000
NAMES: Final = 7
SUMS: Final = "SELECT name, sum(count) FROM notifications_reportrow GROUP BY name"


@pytest.fixture
def journal(site: Site, slack: FakeSlack) -> Iterator[FileJournal]:
    """What the site's processes follow; the database is there."""
    site.env |= slack.env
    site.migrate()
    opened = FileJournal(site.folder / "state" / "journal")
    yield opened
    opened.close()


def tell(journal: FileJournal, name: str, *texts: str) -> None:
    for text in texts:
        journal.write(journal.encode(emit.new_entry(name, text)))


def texts(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages]


def query(site: Site, sql: str) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(site.folder / "state" / "proppy.sqlite3", timeout=10)) as connection:
        return [(str(name), int(count)) for name, count in connection.execute(sql)]


def expected(copies: int = 1) -> dict[str, int]:
    return dict(Counter(f"name {n % NAMES}" for n in range(REPORTS * copies)))


def tell_reports(journal: FileJournal, count: int = REPORTS) -> None:
    tell(journal, "REPORT", *(f"name {n % NAMES}" for n in range(count)))


def test_sigterm_saves_the_position(journal: FileJournal, site: Site, slack: FakeSlack) -> None:
    tell(journal, "SLACK", "a", "b")
    tell(journal, "NOBODYS", *"xyz")
    site.start("follow_journal")
    wait_for(lambda: len(slack.messages) == 2)
    tell(journal, "SLACK", "c")
    wait_for(lambda: len(slack.messages) == 3)
    assert site.terminate("follow_journal") == 0
    # Others may be a moment behind.
    ((cursor, _),) = query(site, "SELECT cursor, 0 FROM notifications_position WHERE channel = 'SLACK'")
    left = [entry.fields["PROPPY_EVENT"] for entry in written(journal, after=cursor)]
    assert set(left) <= {"SERIES"}, "what it has counted it writes at its end"
    tell(journal, "SLACK", "d")
    site.start("follow_journal")
    wait_for(lambda: len(slack.messages) >= 4)
    assert site.terminate("follow_journal") == 0
    assert texts(slack) == ["a", "b", "c", "d"]


@pytest.mark.slow
def test_sigterm_does_not_wait_for_slack_to_come_back(journal: FileJournal, site: Site, slack: FakeSlack) -> None:
    slack.answers(RateLimited(6))
    tell(journal, "SLACK", "a")
    tell(journal, "REPORT", "name")
    site.start("follow_journal")
    wait_for(lambda: slack.requests)
    wait_for(lambda: query(site, SUMS) == [("name", 1)], message="REPORT is not held up")
    assert site.terminate("follow_journal") == 0
    assert slack.messages == []
    site.start("follow_journal")
    wait_for(lambda: slack.messages)
    assert texts(slack) == ["a"]
    assert slack.messages[0]["received"] - slack.requests[0].at >= 6, "its successor leaves Slack alone, too"


@pytest.mark.slow
def test_counts_are_exact_after_sigkill(journal: FileJournal, site: Site) -> None:
    tell_reports(journal)
    kill_between(site, lambda: sum(count for _, count in query(site, SUMS)))
    site.manage("follow_journal", "--drain", "--channel", "REPORT")
    assert dict(query(site, SUMS)) == expected()


def kill_between(site: Site, counted: Callable[[], int]) -> None:
    """SIGKILL it each time it has got further, until it was done."""
    for _ in range(3):
        before = counted()
        process = site.start("follow_journal", "--channel", "REPORT")
        wait_for(lambda before=before: counted() > before or counted() >= REPORTS)  # type: ignore[misc]  # as above
        process.kill()


@pytest.mark.slow
def test_a_second_process_is_refused(journal: FileJournal, site: Site, slack: FakeSlack) -> None:
    tell(journal, "SLACK", "a")
    first = site.start("follow_journal")
    wait_for(lambda: slack.messages)
    with pytest.raises(AssertionError, match=rf"is followed already, by process {first.pid}\. Stop that one first"):
        site.manage("follow_journal", "--drain")
    assert first.alive


@pytest.mark.services
def test_two_machines_count_into_one_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """Two followers with a journal each add to the same rows, while one of them is killed again and again."""
    machines = [machine(tmp_path / name, postgres_url) for name in ("one", "two")]
    machines[0].migrate()
    processes: list[Process] = []
    try:
        with psycopg.connect(postgres_url, autocommit=True) as connection:

            def sums() -> dict[str, int]:
                return {name: int(count) for name, count in connection.execute(SUMS).fetchall()}

            processes.append(machines[0].start("follow_journal", "--channel", "REPORT"))
            kill_between(machines[1], lambda: sum(sums().values()))
            processes.append(machines[1].start("follow_journal", "--channel", "REPORT"))
            wait_for(lambda: sum(sums().values()) >= 2 * REPORTS, timeout=60, message="all counts")
            assert [process.terminate() for process in processes] == [0, 0]
            twice = Counter(expected())
            assert sums() == dict(twice + twice)
    finally:
        for each in machines:
            each.stop()


def machine(folder: Path, database: str) -> Site:
    (folder / "state").mkdir(mode=0o700, parents=True)
    made = Site(folder)
    made.env["DATABASE_URL"] = database
    journal = FileJournal(folder / "state" / "journal")
    tell_reports(journal)
    journal.close()
    return made
