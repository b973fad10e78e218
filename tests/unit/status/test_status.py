"""What proppy_status says at three in the morning, and what it is made of."""

import json
import os
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import keep
from notifications.events.emit import process_outbox
from notifications.http.idempotency import receipt_for
from notifications.journal import MemoryJournal
from notifications.models import FailedDelivery, Loss, Position, Refusal
from notifications.positions.key import Key, machine_id
from notifications.positions.lock import Holder, Lock, holder, path_of
from notifications.status.channels import ChannelStatus, Failed, channel_statuses, failed_by_channel
from notifications.status.database_rows import read_of_channels
from notifications.status.lag_counting import Lag
from notifications.status.now import SpoolStatus, status
from notifications.status.payload_parts import read_many_dead_open
from notifications.status.text import behind
from notifications.status.verdict import verdict
from notifications.store import disk_space, insert
from notifications.store.database_breaker import breaker
from notifications.store.new_payload import Record, beside_the_first, digest_of
from notifications.store.spool import spool
from tests.support.journals import exit_code, in_child

pytestmark = pytest.mark.django_db

SLACK: Final = ("memory://", "SLACK")
NOBODY: Final = 65534
HOST: Final = os.uname().nodename


@pytest.fixture(autouse=True)
def journal(settings: Any, tmp_path: Path) -> MemoryJournal:
    """Empty; and locks of the test's own."""
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    journal = process_outbox().journal
    assert isinstance(journal, MemoryJournal)
    journal.clear()
    return journal


@pytest.fixture
def followed() -> Iterator[None]:
    """SLACK is followed, by this process, and the accounts are kept."""
    held = [Lock(Key(machine_id(), "memory://", channel)) for channel in ("SLACK", "LOST")]
    yield
    for lock in held:
        lock.close()


def test_says_that_losses_are_not_counted() -> None:
    position()
    lock = Lock(Key(machine_id(), *SLACK))
    try:
        assert problems() == [f"Losses are not counted on {HOST}"]
    finally:
        lock.close()


def position(channel: str = "SLACK", journal: str = "memory://", **columns: Any) -> Position:
    return Position.objects.create(**{"machine": machine_id(), "journal": journal, "channel": channel} | columns)


def fail(count: int, *, channel: str = "SLACK", again: bool = False) -> None:
    now = timezone.now()
    FailedDelivery.objects.bulk_create(
        FailedDelivery(channel=channel, event_time=now, text="x", reason="y", again_at=now if again else None)
        for _ in range(count)
    )


def lose(key: str, count: int | None, *, channel: str = "SLACK") -> None:
    Loss.objects.create(key=key, origin="o", channel=channel, reason="r", count=count, until=timezone.now())


def refuse(reason: str, count: int, name: str = "SLACK") -> None:
    now = timezone.now()
    Refusal.objects.create(
        machine="m", journal="j", reason=reason, name=name, author="uid 1000", count=count, since=now, until=now
    )


def tell(journal: MemoryJournal, *texts: str) -> None:
    for text in texts:
        journal.write(journal.encode({"MESSAGE": f"SLACK: {text}", "PROPPY_EVENT": "SLACK"}))


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("proppy_status", *arguments, stdout=out)
    return out.getvalue()


def row(text: str, channel: str = "SLACK") -> list[str]:
    """The cells of a channel's line."""
    (line,) = re.findall(rf"^  ({channel}  .*)$", text, re.MULTILINE)
    return re.split(r"  +", line)


def problems() -> list[str]:
    """The texts of the verdict, but of the workers, which tests have none of."""
    found = verdict(lag_seconds=1.0).problems
    return [each.text for each in found if each.name not in {"process-raw-dead", "follow-journal-dead"}]


# Who follows


def test_a_lock_names_its_holder_and_looking_disturbs_nobody() -> None:
    key = Key(machine_id(), *SLACK)
    assert holder(key) == Holder(held=False)
    assert not path_of(key).exists()
    for _ in range(2):
        lock = Lock(key)
        assert holder(key) == holder(key) == Holder(held=True, pid=os.getpid())
        lock.close()
        assert holder(key) == Holder(held=False)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_who_may_not_look_says_so(tmp_path: Path) -> None:
    key = Key(machine_id(), *SLACK)
    lock = Lock(key)

    def look() -> None:
        os.setgroups([])
        os.setuid(NOBODY)
        assert holder(key) == Holder(held=None)

    assert exit_code(in_child(look)) == 0
    lock.close()


# What is counted


def test_a_channel(journal: MemoryJournal, followed: None) -> None:
    now = timezone.now()
    tell(journal, "a", "b")
    fail(2)
    fail(1, again=True)
    fail(5, channel="OPS")
    lose("1", 300)
    lose("2", 12)
    lose("3", 9, channel="")
    here = position(entry_time=now - timedelta(minutes=5), waiting=3, next_attempt_at=now, problem="down")

    (found,) = channel_statuses([here], now, {here.pk: Lag(2, now)}).values()

    assert found == ChannelStatus(
        channel="SLACK",
        journal="memory://",
        machine=machine_id(),
        lag=300.0,
        delivered_at=None,
        entry_time=now - timedelta(minutes=5),
        waiting=3,
        next_attempt_at=now,
        problem="down",
        behind=Lag(2, now),
        followed=True,
        pid=os.getpid(),
        failed=3,
        again=1,
        lost=312,
        lost_more=False,
    )


def test_a_loss_of_unknown_size_makes_it_more() -> None:
    lose("1", 300)
    lose("2", None)
    here = position()
    (found,) = channel_statuses([here], timezone.now(), {}).values()
    assert (found.lost, found.lost_more, found.lag, found.behind) == (300, True, None, None)


def test_another_machine_is_not_looked_at() -> None:
    there = position(machine="another")
    (found,) = channel_statuses([there], timezone.now(), {}).values()
    assert (found.followed, found.pid) == (None, None)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plan depends on how much there is")
def test_counting_failed_deliveries_reads_rows_only_of_those_to_be_sent_again() -> None:
    with CaptureQueriesContext(connection) as queries:
        read_of_channels(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        steps = [row[3] for row in cursor]
    assert "SEARCH failed USING COVERING INDEX failed_channel (channel=?)" in steps
    assert "SEARCH again USING INDEX failed_turn (channel=?)" in steps
    names = [step for step in steps if "notifications_faileddelivery" in step]
    assert len(names) == 2
    assert all(step.startswith("SEARCH ") for step in names)


@pytest.mark.usefixtures("database")
def test_failed_deliveries_are_counted_by_channel() -> None:
    assert failed_by_channel(read_of_channels(connection)) == {}
    fail(2, channel="MAIL")
    fail(1, channel="OPS", again=True)
    fail(2, channel="SLACK", again=True)
    fail(3, channel="SLACK")
    found = failed_by_channel(read_of_channels(connection))
    assert found == {"MAIL": Failed(2, 0), "OPS": Failed(1, 1), "SLACK": Failed(5, 2)}
    assert list(found) == sorted(found)


def test_all_channels(journal: MemoryJournal) -> None:
    fail(2)
    fail(1, channel="OPS", again=True)
    lose("1", 300)
    lose("2", None, channel="")
    refuse("no such channel", 4, name="SLAK")
    refuse("no such channel", 3, name="SLAC")
    refuse("forged", 2)
    database = status().database
    assert database is not None
    assert (database.failed_deliveries, database.failed, database.failed_again) == (3, {"OPS": 1, "SLACK": 2}, 1)
    assert (database.losses, database.lost_events, database.lost_more) == (2, 300, True)
    assert database.refused == {"forged": 2, "no such channel": 7}
    assert all(channel.behind is None for channel in database.channels)  # no journal is read unless asked for


# The spool and its disk


def spooled(count: int) -> None:
    now = timezone.now() - timedelta(seconds=90)
    for number in range(count):
        body = b"%d" % number
        spool().write(Record(uuid.uuid4(), "demo", body, digest_of(body), now, now))


def test_the_spool() -> None:
    assert status().spool == SpoolStatus(0, None, 0, 0, 1 << 30, breaker_open=False)
    spooled(3)
    breaker.open()
    now = status().spool
    breaker.close()
    assert now is not None
    assert (now.waiting, now.set_aside, now.breaker_open) == (3, 0, True)
    assert now.oldest is not None
    assert now.oldest >= 90
    assert now.bytes == sum(path.stat().st_size for path in spool().waiting())


def test_a_spool_that_cannot_be_read(client: Client) -> None:
    spool().folder.parent.mkdir(parents=True, exist_ok=True)
    spool().folder.write_text("a file, where a folder should be")
    assert status().spool is None
    assert f"Spool: cannot be read. [Errno 20] Not a directory: '{spool().folder}'\n" in run()
    text = client.get("/metrics").text
    assert "proppy_spool_up 0\n" in text
    assert "proppy_database_up 1\n" in text
    assert "proppy_spool_files" not in text, "0 would be a lie"


def test_the_spool_for_people(settings: Any) -> None:
    settings.NOTIFICATIONS_SPOOL_MAX_BYTES = 20 * 1024 * 1024
    assert "Spool: 0 waiting; 0 kB of 20.0 MB\n" in run()
    spooled(3)
    breaker.open()
    text = run()
    breaker.close()
    assert re.search(r"^Spool: 3 waiting, the oldest for \d+ s; \d kB of 20\.0 MB$", text, re.MULTILINE)
    assert "Spool: the database failed just now, so new payloads go here\n" in text


def test_other_bytes_under_a_used_key(client: Client) -> None:
    keep("demo", b"first", key="k")
    now = timezone.now()
    second = Record(receipt_for("demo", "k"), "demo", b"second", digest_of(b"second"), now, now, idempotency_key="k")
    insert.insert(beside_the_first(second), connection)
    insert.insert(second._replace(receipt=uuid.uuid4(), quarantined_for="no configured secret"), connection)
    assert problems() == ["2 payloads are in quarantine, 1 of them with other bytes under a used key"]
    assert json.loads(run("--json"))["database"]["other_bytes"] == 1
    assert "proppy_payloads_other_bytes 1\n" in client.get("/metrics").text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plan depends on how much there is")
def test_every_part_finds_its_payloads_by_an_index() -> None:
    with CaptureQueriesContext(connection) as queries:
        status()
        read_many_dead_open(connection, timezone.now(), 1000)
    asked = [each["sql"] for each in queries if "rawpayload" in each["sql"]]
    assert len(asked) == 2
    with connection.cursor() as cursor:
        plans = [row[-1] for query in asked for row in cursor.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()]
    of_payloads = [step for step in plans if "rawpayload" in step]
    assert [step for step in of_payloads if not step.startswith("SEARCH")] == []
    indexes = ("raw_due", "raw_stuck", "raw_time", "raw_failure")
    assert [name for name in indexes if name not in str(of_payloads)] == []


def test_a_nearly_full_disk(settings: Any) -> None:
    disk_space.forget()
    assert problems() == []
    settings.NOTIFICATIONS_MIN_FREE_BYTES = 1 << 60
    disk_space.forget()
    try:
        assert re.search(
            r"^CRITICAL  The database's disk on .* has [\d.]+ MB left: posts are refused", run(), re.MULTILINE
        )
    finally:
        disk_space.forget()


# For programs


def test_json(journal: MemoryJournal, followed: None) -> None:
    tell(journal, "a", "b")
    position(entry_time=timezone.now())
    now = json.loads(run("--json"))
    (channel,) = now["database"]["channels"]
    assert {"channel", "journal", "machine", "lag", "delivered_at"} <= channel.keys()  # since the first version
    assert (channel["behind"]["events"], channel["behind"]["at_least"]) == (2, False)
    assert channel["behind"]["oldest"].startswith(f"{timezone.now():%Y-%m-%d}")
    assert (channel["followed"], channel["pid"]) == (True, os.getpid())
    assert {"payloads", "oldest_waiting", "failed_deliveries", "losses"} <= now["database"].keys()


# For people


def test_a_quiet_night(followed: None) -> None:
    position(entry_time=timezone.now(), delivered_at=timezone.now())
    text = run()
    channel, read_to, lag, delivered, *rest = row(text)
    assert (channel, lag) == ("SLACK", "0")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", read_to)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", delivered)
    assert rest == ["0", "0", "0", f"process {os.getpid()}"]
    assert "Failed deliveries: 0\nLosses: 0\nRefused entries: 0\n" in text
    assert problems() == []


def test_a_bad_night(journal: MemoryJournal) -> None:
    tell(journal, "a", "b")
    long_ago = timezone.now() - timedelta(days=3)
    position(entry_time=long_ago, delivered_at=long_ago, waiting=2, problem="Slack answered 503\nLOST: x\x1b[31m")
    fail(2)
    fail(1, again=True)
    lose("1", 300)
    lose("2", None)
    refuse("no such channel\x1b[31m", 7)

    text = run()

    cells = row(text)
    assert cells[0] == "SLACK"
    assert cells[1] == cells[3] == f"{timezone.localtime(long_ago):%Y-%m-%d %H:%M}"
    assert re.fullmatch(r"2, \d+ s", cells[2])
    assert cells[4:] == ["2", "3 (1 again)", "300+", "none"]
    assert "Failed deliveries: 3, 1 of them to be sent again\nLosses: 2, 300+ events\nRefused entries: 7\n" in text
    assert "          7  no such channel\ufffd[31m\n" in text
    assert "\x1b" not in text
    assert problems() == [
        "At least 300 events of SLACK were lost, the last 0 s ago: r",
        "SLACK delivers nothing: Slack answered 503 LOST: x\ufffd[31m; 2 events wait",
        "2 deliveries were given up (SLACK)",
        "7 journal entries that look like events were refused, the last 0 s ago",
    ]
    assert text.startswith("6 PROBLEMS\nCRITICAL  At least 300 events")


def test_the_table_is_aligned(followed: None) -> None:
    now = timezone.now()
    position(entry_time=now, waiting=123_456)
    position(channel="A_LONGER_NAME_THAN_OTHERS", entry_time=now - timedelta(days=400))
    position(journal="memory://#text")
    lines = run().splitlines()
    start = lines.index("Channels, memory://")
    table = lines[start + 1 : start + 5]
    columns = [re.search(heading, table[0]) for heading in ("read to", "behind", "delivered", "waiting", "follower")]
    for match in columns:
        assert match is not None
        assert {line[match.start() - 1] for line in table} == {" "}
        assert " " not in {line[match.start()] for line in table}
    assert max(map(len, table)) < 120
    assert any("SLACK (plain lines)" in line for line in table)


@pytest.mark.parametrize(
    ("seconds", "said"), [(90, r", next try in 1 min"), (8.5, r", next try in \d s"), (-3, ", tried again now")]
)
def test_the_next_attempt(followed: None, seconds: float, said: str) -> None:
    position(waiting=1, problem="down", next_attempt_at=timezone.now() + timedelta(seconds=seconds))
    (line,) = problems()
    assert re.fullmatch(rf"SLACK delivers nothing: down; 1 event waits{said}", line)


def test_a_channel_that_is_left_alone_is_named_where_events_wait(journal: MemoryJournal, followed: None) -> None:
    position()
    position(channel="REMOVED")
    position(channel="OPS")
    journal.write(journal.encode({"MESSAGE": "OPS: x", "PROPPY_EVENT": "OPS"}))
    assert problems() == [f"OPS is not followed on {HOST}, though events wait"]


def test_who_may_not_read_the_journal_is_told_so(followed: None) -> None:
    position(cursor="999999999")
    assert row(run())[2] == "?"
    assert problems() == [
        "How far channels are behind is unknown (?): this user may not read the journal that is followed"
    ]


def test_a_journal_that_nobody_follows_any_longer_need_not_be_readable(followed: None, tmp_path: Path) -> None:
    position()
    (tmp_path / "left").write_text("a file where the folder of a journal was")
    position(journal=f"file://{tmp_path}/left")
    assert problems() == []
    assert re.search(rf"^Channels, file://{tmp_path}/left, left for another journal: ", run(), re.MULTILINE)
    assert re.search(r"^Channels, memory://$", run(), re.MULTILINE)
    (lag,) = re.findall(r"^proppy_channel_lag_seconds.*$", Client().get("/metrics").content.decode(), re.MULTILINE)
    assert 'journal="memory://"' in lag


def test_other_machines_have_a_table_of_their_own() -> None:
    position(machine="another", entry_time=timezone.now())
    text = run()
    assert "Channels, memory://, machine another\n" in text
    assert row(text)[2] == row(text)[-1] == "?"
    assert problems() == []


def test_nothing_was_read_yet() -> None:
    assert "Channels\n  none has read the journal yet: start follow_journal\n" in run()


def test_behind() -> None:
    now = timezone.now()
    assert behind(None) == "?"
    assert behind(Lag()) == "0"
    assert behind(Lag(at_least=True)) == "?"
    assert behind(Lag(214, now - timedelta(minutes=12, seconds=3))) == "214, 12 min"
    assert behind(Lag(214, now - timedelta(days=2), at_least=True)) == "at least 214, 2 d"
