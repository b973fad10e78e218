"""Failed deliveries that are sent again by a real follow_journal, which is ended in the middle of it."""

import sqlite3
from contextlib import closing
from typing import Any, Final

import pytest

from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

PAST: Final = "2026-05-01 00:00:00"
ROW: Final = (
    "INSERT INTO notifications_faileddelivery (channel, event_id, event_time, text, data, author_known, reason,"
    f" created_at, again_at) VALUES ('SLACK', '', '{PAST}', ?, '{{}}', 1, 'is_archived', '{PAST}', '{PAST}')"
)


class Rows:
    """The failed deliveries of a site, from outside."""

    def __init__(self, site: Site) -> None:
        self._path = site.folder / "state" / "proppy.sqlite3"

    def execute(self, sql: str, *parameters: Any) -> list[str]:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            return [row[0] for row in connection.execute(sql, parameters)]

    def texts(self) -> list[str]:
        return self.execute("SELECT text FROM notifications_faileddelivery ORDER BY id")

    def let_claims_run_out(self) -> None:
        self.execute("UPDATE notifications_faileddelivery SET again_at = ?", PAST)


@pytest.fixture
def rows(site: Site, slack: FakeSlack) -> Rows:
    """Three that somebody wants sent again."""
    site.env |= slack.env
    site.migrate()
    rows = Rows(site)
    for text in ("a", "b", "c"):
        rows.execute(ROW, text)
    return rows


def texts(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages]


def test_sigterm_finishes_the_message_in_hand_and_repeats_none(rows: Rows, site: Site, slack: FakeSlack) -> None:
    slack.latency = 1.0
    site.start("follow_journal")
    wait_for(lambda: slack.requests, message="a request")
    assert site.terminate("follow_journal") == 0
    slack.latency = 0.0
    assert texts(slack) == ["a"]
    assert rows.texts() == ["b", "c"]
    site.start("follow_journal")
    wait_for(lambda: not rows.texts(), message="nothing left")
    assert texts(slack) == ["a", "b", "c"]


@pytest.mark.slow
def test_sigkill_repeats_one_message_at_most_and_not_before_its_claim_has_run_out(
    rows: Rows, site: Site, slack: FakeSlack
) -> None:
    slack.latency = 60.0  # taken, and no answer
    site.start("follow_journal")
    wait_for(lambda: texts(slack), message="a message")
    site.kill("follow_journal")
    slack.latency = 0.0
    slack.release()
    site.start("follow_journal")
    wait_for(lambda: rows.texts() == ["a"], message="the others are sent")
    assert texts(slack) == ["a", "b", "c"]
    rows.let_claims_run_out()
    wait_for(lambda: not rows.texts(), message="nothing left")
    assert texts(slack) == ["a", "b", "c", "a"]
