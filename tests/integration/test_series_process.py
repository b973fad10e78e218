"""follow_journal as a real process adds up SERIES: exactly once, however often it is killed, on one machine or two."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import pytest

from notifications.events import emit
from notifications.journal import FileJournal
from tests.support.child import Process
from tests.support.processes import Name, Site
from tests.support.reading import Reading
from tests.support.wait import wait_for

EVENTS: Final = 3000
MINUTES: Final = 40
LABELS: Final = 30
SUMS: Final = "SELECT step, label, sum(count), sum(total) FROM notifications_series GROUP BY step, label"
COUNTED: Final = "SELECT coalesce(sum(count), 0) FROM notifications_series WHERE step = 0 AND label = ''"
STEPS: Final = (0, 60, 3600, 86400)
Query = Callable[[str], list[tuple[Any, ...]]]


def write_events(folder: Path, *, backwards: bool = False) -> None:
    """Each event has ten labels of one minute; `backwards`: in another order."""
    journal, now = FileJournal(folder / "state" / "journal"), int(time.time() // 60 * 60)
    for number in range(EVENTS)[:: -1 if backwards else 1]:
        labels = {f"GET /{(number + step) % LABELS}/": [1, 2.5, 2.5, "0,0,1"] for step in range(10)}
        data = {"minute": now - number % MINUTES * 60, "series": {"requests": labels}}
        journal.write(journal.encode(emit.new_entry("SERIES", "web", orjson.dumps(data).decode())))
    journal.close()


def expected(copies: int = 1) -> set[tuple[Any, ...]]:
    each = EVENTS * 10 // LABELS * copies
    labels = {"": each * LABELS} | {f"GET /{number}/": each for number in range(LABELS)}
    return {(step, label, count, count * 2.5) for step in STEPS for label, count in labels.items()}


def counted(query: Query) -> int:
    return int(query(COUNTED)[0][0])


def kill_between(site: Site, query: Query, most: int) -> None:
    """SIGKILL it each time it has written more, until all is written or it was killed often."""
    for _ in range(6):
        before = counted(query)
        process = site.start("follow_journal", "--channel", "SERIES")
        wait_for(lambda before=before: counted(query) > before or before >= most, timeout=60)  # type: ignore[misc]  # it is called before the next round
        process.kill()


POSTS: Final = 5
#: In this order.
ENDED: Final[tuple[Name, ...]] = ("web", "process_raw", "follow_journal")
#: Each name that this site has something to count for.
NAMES: Final = {"requests", "received", "refused", "handled", "waiting", "oldest", "lag", "delivered", "releases"}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["file", pytest.param("journald", marks=pytest.mark.services)])
def test_all_processes_count_also_what_is_left_at_their_end(
    site: Site, where: str, request: pytest.FixtureRequest
) -> None:
    if where == "journald":
        site.env["JOURNAL_URL"] = request.getfixturevalue("journald").url
    site.env["RELEASE"] = "1.4.0"
    site.migrate()
    for name in ENDED[::-1]:
        site.start(name)
    visitor = site.browse()
    for _ in range(POSTS):
        assert visitor.post("/in/demo/", b"x", {}).status == 202
    assert visitor.post("/in/demo/", b"x", {"Idempotency-Key": "k" * 1000}).status == 400
    query = Reading(site).rows
    wait_for(lambda: query("SELECT count(*) FROM notifications_rawpayload WHERE state = 'done'") == [(POSTS,)])
    for name in ENDED:
        assert site.terminate(name) == 0
    site.manage("follow_journal", "--drain")
    site.manage("follow_journal", "--drain", "--channel", "SERIES")
    ever = "SELECT name, label, count FROM notifications_series WHERE step = 0"
    found = {(name, label): count for name, label, count in query(ever)}
    assert {name for name, _ in found} == NAMES
    assert found["received", "demo"] == found["handled", "demo"] == POSTS
    assert found["refused", "demo"] == 1
    assert found["requests", ""] == POSTS + 1
    assert found["releases", "1.4.0"] > POSTS
    assert query("SELECT count(*) FROM notifications_loss") == [(0,)]
    assert query("SELECT count(*) FROM notifications_refusal") == [(0,)]


@pytest.mark.slow
def test_each_event_counts_once_after_sigkill(site: Site) -> None:
    site.migrate()
    write_events(site.folder)

    def query(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(site.folder / "state" / "proppy.sqlite3", timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    kill_between(site, query, EVENTS * 10)
    site.manage("follow_journal", "--drain", "--channel", "SERIES")
    assert set(query(SUMS)) == expected()


@pytest.mark.services
def test_two_machines_add_to_the_same_rows_of_one_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """In opposite orders, while one of them is killed again and again."""
    machines = [machine(tmp_path / name, postgres_url, backwards=name == "two") for name in ("one", "two")]
    machines[0].migrate()
    processes: list[Process] = []
    try:
        with psycopg.connect(postgres_url, autocommit=True) as connection:

            def query(sql: str) -> list[tuple[Any, ...]]:
                return connection.execute(sql.encode()).fetchall()

            processes.append(machines[0].start("follow_journal", "--channel", "SERIES"))
            kill_between(machines[1], query, 2 * EVENTS * 10)
            processes.append(machines[1].start("follow_journal", "--channel", "SERIES"))
            wait_for(lambda: counted(query) >= 2 * EVENTS * 10, timeout=60, message="all counts")
            assert [process.terminate() for process in processes] == [0, 0]
            assert {(step, label, int(count), total) for step, label, count, total in query(SUMS)} == expected(2)
            logs = "".join(each.log("follow_journal") for each in machines)
            assert "deadlock" not in logs
    finally:
        for each in machines:
            each.stop()


def machine(folder: Path, database: str, *, backwards: bool) -> Site:
    (folder / "state").mkdir(mode=0o700, parents=True)
    made = Site(folder)
    made.env["DATABASE_URL"] = database
    write_events(folder, backwards=backwards)
    return made
