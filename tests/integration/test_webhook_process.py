"""The webhook in a real follow_journal, to which it owes its retries, digests and failed deliveries."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from notifications.events import emit
from notifications.http.signatures import verify
from notifications.journal import FileJournal
from tests.support.processes import Site
from tests.support.wait import wait_for
from tests.support.webhook import Receiver, response


@pytest.fixture
def journal(site: Site, receiver: Receiver) -> Iterator[FileJournal]:
    site.env |= receiver.env
    site.migrate()
    opened = FileJournal(site.folder / "state" / "journal")
    yield opened
    opened.close()


def tell(journal: FileJournal, *texts: str) -> None:
    for text in texts:
        journal.write(journal.encode(emit.new_entry("WEBHOOK", text, '{"kind": "sign-up"}')))


def data(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(request.body)["data"] for request in receiver.requests]


@pytest.mark.parametrize("waiting", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_what_cannot_be_taken_now_comes_again_with_its_id(
    journal: FileJournal, site: Site, receiver: Receiver, waiting: int
) -> None:
    receiver.answers(response(503, Retry_After="1"), "reset")
    tell(journal, *(f"event {number}" for number in range(waiting)))
    site.start("follow_journal", "--channel", "WEBHOOK")
    wait_for(lambda: len(receiver.requests) == 3)
    first, again, taken = receiver.requests
    assert first.body == again.body == taken.body
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert int(again.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    digest = data(receiver)[0]["fields"].get("digest", {"count": 1})
    assert digest["count"] == waiting
    for request in receiver.requests:
        secrets = [receiver.secret]
        verify("standard-webhooks", request.headers, request.body, secrets=secrets, tolerance=60, now=time.time())
    tell(journal, "next")
    wait_for(lambda: len(receiver.requests) == 4)
    assert data(receiver)[3]["text"] == "next"


def test_what_is_refused_is_on_record_and_the_next_one_goes_out(
    journal: FileJournal, site: Site, receiver: Receiver
) -> None:
    receiver.answers(response(410, "no more of this"))
    tell(journal, "refused", "taken")
    site.start("follow_journal", "--channel", "WEBHOOK")
    wait_for(lambda: len(receiver.requests) == 2)
    with closing(sqlite3.connect(site.folder / "state" / "proppy.sqlite3", timeout=10)) as connection:
        sql = "SELECT channel, text, reason FROM notifications_faileddelivery"
        ((channel, text, reason),) = connection.execute(sql).fetchall()
    assert (channel, text) == ("WEBHOOK", "refused")
    assert reason.startswith("127.0.0.1 answered 410: the receiver wants no more")
    assert data(receiver)[1]["text"] == "taken"
