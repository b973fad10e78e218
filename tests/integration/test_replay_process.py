"""Replays and deletions by real processes, which are ended in the middle."""

import json
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.child import Process
from tests.support.processes import Site
from tests.support.wait import wait_for

MANY: Final = 5000
FILL: Final = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    " INSERT INTO notifications_rawpayload (receipt, source, state, attempts, received_at, done_at, size, digest,"
    " content_type, method, path, query, remote_addr, idempotency_key, error, headers_json, inline_body)"
    " SELECT printf('%032x', i), 'demo', 'done', 7, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, '', '', '', '',"
    " '', '', '', '', '{}', x'78' FROM n"
)
#: What workers would do with what was replayed so far.
FINISH: Final = (
    "UPDATE notifications_rawpayload SET state = 'done', done_at = strftime('%Y-%m-%d %H:%M:%f', 'now'), attempts = 1,"
    " next_attempt_at = NULL WHERE state = 'retrying'"
)


class Rows:
    """The payloads of a site, from outside."""

    def __init__(self, site: Site) -> None:
        self._path = site.folder / "state" / "proppy.sqlite3"

    def execute(self, sql: str, *parameters: Any) -> list[Any]:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            return connection.execute(sql, parameters).fetchall()

    def count(self, condition: str) -> int:
        return int(self.execute(f"SELECT count(*) FROM notifications_rawpayload WHERE {condition}")[0][0])


@pytest.fixture
def rows(site: Site) -> Rows:
    """Many that are done."""
    site.migrate()
    rows = Rows(site)
    rows.execute(FILL, MANY)
    return rows


def start(site: Site, *arguments: str) -> Process:
    command = [sys.executable, "manage.py", *arguments]
    return Process(command, env=site.env, log=site.folder / f"{arguments[0]}.log")


def checkpoints(site: Site) -> list[Path]:
    return list((site.folder / "state" / "replays").glob("*.json"))


def replayed(site: Site) -> int:
    return max((json.loads(path.read_text())["moved"] for path in checkpoints(site)), default=0)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_replay_that_was_ended_goes_on_and_repeats_nothing(site: Site, rows: Rows, number: signal.Signals) -> None:
    process = start(site, "replay_raw", "--state", "done", "--rate", "1000000")
    try:
        wait_for(lambda: replayed(site) or not process.alive, timeout=60, message="the first batch")
        if number == signal.SIGTERM:
            assert process.terminate() == 0
            assert "the same command resumes there" in process.log
    finally:
        process.kill()
    assert checkpoints(site), process.log
    rows.execute(FINISH)
    first = rows.count("attempts = 1")
    assert 0 < first < MANY
    again = site.manage("replay_raw", "--state", "done", "--rate", "1000000")
    assert "Resuming the replay of" in again
    # Each is either done again since the first run, or was replayed by the second one.
    assert rows.count("attempts = 1 AND state = 'done'") == first
    assert rows.count("attempts = 0 AND state = 'retrying'") == MANY - first
    assert not checkpoints(site)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_deleting_goes_on_as_well(site: Site, rows: Rows, number: signal.Signals) -> None:
    process = start(site, "prune_raw", "--batch", "50")
    try:
        wait_for(lambda: rows.count("1") < MANY or not process.alive, timeout=60, message="the first batch")
        if number == signal.SIGTERM:
            assert process.terminate() == 0
            assert "run it again for the rest" in process.log
    finally:
        process.kill()
    left = rows.count("1")
    assert 0 < left < MANY
    assert f"{left} payloads deleted." in site.manage("prune_raw")
    assert rows.count("1") == 0
