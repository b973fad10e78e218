"""Delivery that can be trusted: real processes, a real journald, Slack and the database coming and going."""

import json
import os
import random
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Final, LiteralString

import psycopg
import pytest

from notifications.journal.journald.cursor import parse_cursor
from tests.support.journald import JournaldNamespace
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.slack import FakeSlack, RateLimited
from tests.support.slack_http import Answer
from tests.support.telling import Telling
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
#: Events while journald is disturbed.
FLOW: Final = 1500
CURSORS: Final = "SELECT cursor FROM notifications_position"
CURSOR: Final = "SELECT cursor FROM notifications_position WHERE channel = 'SLACK' AND journal NOT LIKE '%#text'"


@pytest.fixture
def bare(site: Site, journald: JournaldNamespace, slack: FakeSlack) -> Iterator[Telling]:
    """Without tables."""
    telling = Telling(site, journald, slack)
    yield telling
    telling.end()


@pytest.fixture
def telling(bare: Telling) -> Telling:
    bare.site.migrate()
    return bare


@pytest.fixture
def on_postgres(bare: Telling, own: Postgres) -> Telling:
    bare.site.env["DATABASE_URL"] = own.url
    bare.site.migrate()
    return bare


# Slack away


def assert_outage_ends_in_one_message(telling: Telling) -> None:
    telling.wait()
    assert telling.spans() == [range(telling.count)]
    wait_for(lambda: telling.position()[1] == 0, message="nothing waits")
    assert telling.position()[0] != ""
    telling.tell()
    telling.wait()
    assert telling.site.terminate("follow_journal") == 0
    telling.assert_told()


@pytest.mark.parametrize("answer", [500, "timeout", "reset", "html", RateLimited(1)])
def test_an_outage_of_slack_ends_in_one_message(telling: Telling, answer: Answer) -> None:
    telling.slack.answers(*[answer] * 99)
    telling.site.start("follow_journal")
    telling.tell()
    wait_for(lambda: telling.slack.requests)
    telling.tell(300)
    wait_for(lambda: telling.position() == ("", 301), message="they wait, and are shown to wait")
    wait_for(lambda: len(telling.slack.requests) >= 3)
    assert telling.position()[0] == ""
    telling.slack.recover()
    telling.slack.release()
    assert_outage_ends_in_one_message(telling)


def test_a_closed_port_ends_in_one_message(telling: Telling, slack: FakeSlack) -> None:
    port = free_port()
    telling.site.env["SLACK_API_URL"] = f"http://127.0.0.1:{port}/api/"
    telling.site.start("follow_journal")
    telling.tell(300)
    wait_for(lambda: telling.position() == ("", 300), message="they wait, and are shown to wait")
    with FakeSlack(port=port) as telling.slack:
        assert_outage_ends_in_one_message(telling)


# Killed and stopped


@pytest.mark.parametrize(
    ("end", "seed"), [("kill", 1), pytest.param("kill", 2, marks=pytest.mark.release), ("terminate", 3)]
)
def test_ended_at_random_moments_while_events_pass(telling: Telling, end: str, seed: int) -> None:
    dice, ends = random.Random(seed), 4
    telling.slack.latency = 0.1
    answers: list[Answer] = [{"ok": True}, {"ok": True}, {"ok": True}, 500, "reset", RateLimited(1)]
    telling.slack.answers(*dice.choices(answers, k=12))
    with telling.flow(2000, each=0.003):
        for moment in sorted(dice.sample(range(100, 1900), ends)):
            telling.site.start("follow_journal")
            wait_for(lambda moment=moment: telling.count >= moment)  # type: ignore[misc]  # a default binds it
            getattr(telling.site, end)("follow_journal")
    telling.slack.latency = 0
    telling.site.start("follow_journal")
    telling.wait()
    assert telling.site.terminate("follow_journal") == 0
    telling.assert_told(kills=ends if end == "kill" else 0)
    assert telling.rows("SELECT * FROM notifications_loss") == []
    wait_for(lambda: telling.journald.journalctls() == [], message="no journalctl is left behind")


# The database away


def rows(own: Postgres, sql: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(own.url, autocommit=True) as connection:
        return connection.execute(sql).fetchall()


def test_without_its_database_slack_is_told_and_a_kill_repeats_what_was_sent_since(
    on_postgres: Telling, own: Postgres
) -> None:
    telling = on_postgres
    telling.site.start("follow_journal")
    telling.tell(10)
    telling.wait()
    assert telling.site.terminate("follow_journal") == 0
    process = telling.site.start("follow_journal")
    telling.tell()
    telling.wait()
    own.stop("immediate")
    for _ in range(3):
        telling.tell(5)
        telling.wait(timeout=6)
    assert process.alive
    sent = len(telling.spans())
    process.kill()
    own.start()
    telling.site.start("follow_journal")
    wait_for(lambda: len(telling.spans()) > sent)
    telling.wait()
    assert telling.spans()[sent].start in (10, 11)


def test_positions_are_written_when_the_database_is_back(on_postgres: Telling, own: Postgres) -> None:
    telling = on_postgres
    process = telling.site.start("follow_journal")
    telling.tell()
    telling.wait()
    own.stop("immediate")
    telling.tell()
    telling.wait()
    wait_for(lambda: "it is saved later" in process.log)
    own.start()
    cursor = telling.last_cursor()
    wait_for(lambda: rows(own, CURSOR) == [(cursor,)], timeout=20, message="the position")
    process.kill()
    telling.tell()
    telling.site.start("follow_journal")
    telling.wait()
    telling.assert_told()


def test_a_locked_sqlite_stops_no_delivery(telling: Telling) -> None:
    path = telling.site.env["DATABASE_URL"].removeprefix("sqlite:///")
    telling.site.start("follow_journal")
    telling.tell()
    telling.wait()
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            telling.tell()
            telling.wait(timeout=5)
        connection.execute("ROLLBACK")
    cursor = telling.last_cursor()
    wait_for(lambda: telling.position()[0] == cursor, message="the position")
    telling.site.kill("follow_journal")
    telling.tell()
    telling.site.start("follow_journal")
    telling.wait()
    telling.assert_told()


def test_what_fails_for_good_while_the_database_is_away_is_held(on_postgres: Telling, own: Postgres) -> None:
    telling = on_postgres
    refused = {"ok": False, "error": "channel_not_found"}
    process = telling.site.start("follow_journal")
    telling.tell()
    telling.wait()
    own.stop("immediate")
    telling.slack.answers(*[refused] * 99)
    telling.tell(20)
    wait_for(lambda: "could not be recorded" in process.log)
    telling.tell(20)
    own.start()
    failed: Final = "SELECT text, reason FROM notifications_faileddelivery ORDER BY id"
    wait_for(lambda: len(rows(own, failed)) == 40, timeout=30, message="failed deliveries")
    telling.slack.recover()
    telling.tell()
    telling.wait()
    assert [text for text, _ in rows(own, failed)] == [f"number {n}" for n in range(1, 41)]
    assert all("/invite" in reason for _, reason in rows(own, failed))
    assert telling.spans() == [range(1), range(41, 42)]


# One of several


def test_a_channel_that_hangs_holds_up_no_other(telling: Telling) -> None:
    """Five entries of NOTIFICATIONS_CHANNELS, each with a name, an icon and a position."""
    names = ["SALES", "OPS", "HR", "PRESS"]
    looks = {
        name: {"username": name.lower(), "icon": f":{name.lower()}:", "channel": f"#{name.lower()}"} for name in names
    }
    common = {"class": "notifications.channels.slack.Slack", "token": FakeSlack.token, "api_url": telling.slack.url}
    telling.site.env["TELL_CHANNELS"] = json.dumps({name: common | looks[name] for name in names})
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, and never answers
        telling.site.env["SLACK_API_URL"] = f"http://127.0.0.1:{hanging.getsockname()[1]}/api/"
        process = telling.site.start("follow_journal")
        telling.tell()
        wait_for(lambda: "channel SLACK" in process.log, message="it hangs")
        for number in range(3):
            started = time.monotonic()
            for name in names:
                telling.tell(name=name)
            wait_for(lambda number=number: len(telling.slack.messages) == 4 * (number + 1))  # type: ignore[misc]  # a default binds it
            assert time.monotonic() - started < 1
        wait_for(lambda: all(telling.position(name) > ("", 0) for name in names), message="positions")
        assert telling.position() == ("", 1)
        assert telling.site.terminate("follow_journal") == 0
    heard = {(each["username"], each["icon_emoji"], each["channel"]) for each in telling.slack.messages}
    assert heard == {(look["username"], look["icon"], look["channel"]) for look in looks.values()}


# The journal comes and goes


def disturb(telling: Telling, how: str) -> None:
    match how:
        case "rotate":
            telling.journald.rotate()
        case "restart":
            with telling.dry():  # without a socket unit its socket goes away, and what waits there
                telling.journald.restart()
        case "pause":
            telling.journald.pause()
            wanted = min(telling.count + 50, FLOW)
            wait_for(lambda: telling.count >= wanted)
            telling.journald.resume()
        case "kill journalctl" | "stop journalctl":
            for pid in wait_for(telling.journald.journalctls):
                with suppress(ProcessLookupError):  # it was replaced just now
                    os.kill(pid, signal.SIGKILL if how.startswith("kill") else signal.SIGSTOP)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.release)])
def test_whatever_happens_to_journald_nothing_is_lost_or_repeated(telling: Telling, seed: int) -> None:
    kinds, dice = ["rotate", "restart", "pause", "kill journalctl", "stop journalctl"], random.Random(seed)
    telling.site.env["TELL_SILENCE"] = "1"
    telling.site.start("follow_journal")
    with telling.flow(FLOW, each=0.004):
        for moment in sorted(dice.sample(range(100, FLOW - 100), 10)):
            wait_for(lambda moment=moment: telling.count >= moment)  # type: ignore[misc]  # a default binds it
            disturb(telling, dice.choice(kinds))
    telling.wait()
    archived = parse_cursor(telling.last_cursor())
    telling.journald.rotate()
    telling.tell()
    telling.wait()
    # Other channels than Slack may be far behind, if their journalctl was stopped: what is removed is lost to them.
    wait_for(
        lambda: all(parse_cursor(each) > archived for (each,) in telling.rows(CURSORS)),
        timeout=60,
        message="all channels are past the rotation",
    )
    telling.journald.vacuum()
    telling.tell()
    telling.wait()
    assert telling.site.terminate("follow_journal") == 0
    telling.assert_told()
    assert telling.rows("SELECT origin, reason FROM notifications_loss") == []


def test_a_database_that_hangs_stops_no_delivery(on_postgres: Telling, own: Postgres) -> None:
    telling = on_postgres
    telling.site.start("follow_journal")
    telling.tell()
    telling.wait()
    with own.paused():
        for _ in range(2):
            telling.tell()
            telling.wait(timeout=30)
        assert telling.site.terminate("follow_journal", timeout=60) == 0, "systemd waits for 90 s"
    telling.site.start("follow_journal")
    telling.tell()
    telling.wait()
    cursor = telling.last_cursor()
    wait_for(lambda: rows(own, CURSOR) == [(cursor,)], timeout=30, message="the position")
    # What was sent since the last position that was saved is told again.
    assert {number for span in telling.spans() for number in span} == set(range(telling.count))
