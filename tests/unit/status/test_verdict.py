"""The verdict: which problems there are, how grave they are, and how they are shown."""

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from notifications.journal import FileJournal
from notifications.losses.refused_entries import NO_CHANNEL, NO_SERIES
from notifications.models import FailedDelivery, FailureGroup, Loss, Machine, Position, RawPayload, Refusal, State
from notifications.operations.problem import KINDS, Grade, Problem, mark_of, parse_mark, title_of
from notifications.positions.key import Key, machine_id
from notifications.positions.lock import Lock
from notifications.status import database, payload_parts
from notifications.status.payload_problems import counted
from notifications.status.since import since
from notifications.status.verdict import Verdict, verdict
from notifications.status.verdict_text import verdict_lines
from notifications.status.worker_problems import NEWS
from notifications.utils.failure_fingerprint import Failure
from notifications.workers.activity import Activity
from notifications.workers.drains import FIRST
from notifications.workers.heartbeat import Beat, Heartbeat

pytestmark = pytest.mark.django_db

HOST: Final = os.uname().nodename
ADMIN: Final = "/admin/notifications/"


@pytest.fixture(autouse=True)
def workers(settings: Any, tmp_path: Path) -> Iterator[list[Heartbeat]]:
    """Both turn."""
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    hearts = [Heartbeat("process_raw"), Heartbeat("follow_journal")]
    yield hearts
    for heart in hearts:
        heart.close()


def the_problem() -> Problem:
    (problem,) = verdict().problems
    return problem


def payload(state: State, **columns: Any) -> RawPayload:
    now = timezone.now()
    defaults = {"source": "demo", "state": state, "received_at": now, "size": 1, "inline_body": b"x"}
    return RawPayload.objects.create(**defaults | columns)


def loss(age: timedelta, **columns: Any) -> None:
    defaults = {"origin": "o", "reason": "r", "count": 3, "until": timezone.now() - age, "key": uuid.uuid4().hex}
    Loss.objects.create(**defaults | columns)


def run(*arguments: str) -> tuple[str, int]:
    """What proppy_status prints, and its exit status."""
    out = StringIO()
    try:
        call_command("proppy_status", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


def test_all_is_well() -> None:
    assert verdict().problems == []
    assert run("--check") == ("ALL WELL\n", 0)
    text, _ = run()
    assert text.startswith("ALL WELL\n\nPayloads\n")
    assert re.search(rf"^process_raw \(process {os.getpid()} on {HOST}\): runs, started ", text, re.MULTILINE)


# Payloads


def test_dead_payloads() -> None:
    payload(State.DEAD)
    problem = the_problem()
    assert (problem.name, problem.grade) == ("payloads-dead", Grade.WARNING)
    assert problem.text == "1 payload is dead: nothing tries it again"
    assert problem.path == f"{ADMIN}rawpayload/?state=dead"
    payload(State.DEAD)
    assert the_problem().text == "2 payloads are dead: nothing tries them again"


def test_dead_payloads_of_a_muted_group_are_known() -> None:
    now = timezone.now()
    group = FailureGroup.objects.create(source="demo", fingerprint="x", title="x", first_at=now, last_at=now)
    payload(State.DEAD, failure=group)
    FailureGroup.objects.all().mute("ada", now + timedelta(hours=1))
    assert verdict().problems == []
    payload(State.DEAD)
    assert the_problem().text == "1 payload is dead: nothing tries it again"
    FailureGroup.objects.all().mute("ada", now)
    assert the_problem().text == "2 payloads are dead: nothing tries them again"


@pytest.mark.parametrize("most", [3, 1000])
def test_dead_payloads_of_a_resolved_group_are_dealt_with_until_it_fails_again(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(database, "FEW", most)
    now = timezone.now()
    group = FailureGroup.objects.create(source="demo", fingerprint="x", title="x", first_at=now, last_at=now)
    for _ in range(4):
        payload(State.DEAD, failure=group)
    assert the_problem().name == "payloads-dead"
    FailureGroup.objects.all().resolve("ada")
    assert verdict().problems == []
    found = verdict().status.database
    assert found is not None
    assert found.payloads[State.DEAD] == min(4, most)  # they are not hidden
    FailureGroup.objects.note("demo", Failure("x", "", "x", "x"), timezone.now(), dead=True)
    assert the_problem().text.startswith(("4 payloads", "at least 3 payloads"))


@pytest.mark.parametrize("most", [3, 5, 1000])
def test_a_large_muted_group_hides_no_other_dead_payload(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(database, "FEW", most)
    now = timezone.now()
    muted, other = (
        FailureGroup.objects.create(source="demo", fingerprint=name, title=name, first_at=now, last_at=now)
        for name in ("muted", "other")
    )
    FailureGroup.objects.filter(pk=muted.pk).mute("ada", now + timedelta(hours=1))
    for failure in [muted] * 6:
        payload(State.DEAD, failure=failure)
    assert verdict().problems == []
    payload(State.DEAD, failure=other)
    payload(State.RETRYING, failure=other)
    payload(State.DEAD)
    assert the_problem().text == "2 payloads are dead: nothing tries them again"
    for _ in range(2):
        payload(State.DEAD, failure=other)
    assert the_problem().text.startswith("at least 3" if most == 3 else "4")


def test_quarantine() -> None:
    payload(State.QUARANTINED, error="no configured secret")
    problem = the_problem()
    assert problem.text == "1 payload is in quarantine, badly signed"
    assert problem.advice == "Correct the secret, then replay_raw --state quarantined."


def test_a_payload_waits_for_long() -> None:
    minute = timezone.now() - timedelta(minutes=1)
    payload(State.RECEIVED, received_at=minute, next_attempt_at=minute)
    assert verdict().problems == []
    long_ago = timezone.now() - timedelta(minutes=12)
    payload(State.RECEIVED, received_at=long_ago, next_attempt_at=long_ago)
    problem = the_problem()
    assert (problem.name, problem.text) == (
        "payloads-waiting",
        f"The oldest new payload has waited {since(long_ago)}",
    )


def test_a_clock_that_was_ahead() -> None:
    payload(State.DONE, received_at=timezone.now() + timedelta(hours=1))
    assert the_problem().name == "clock-ahead"


def test_a_clock_that_differs_from_the_databases() -> None:
    with patch("notifications.status.database.differs", return_value=3.21):
        assert the_problem().text == f"The clock of {HOST} is 3.2 s behind the database's"


def test_the_databases_clock_is_ours() -> None:
    found = verdict().status.database
    assert found is not None
    assert abs(found.clock_differs) < 2.0, connection.vendor


def test_a_number_that_stops_says_so() -> None:
    assert counted(37, 1000) == "37"
    assert counted(1000, 1000) == "at least 1000"


# Channels


def test_losses_are_critical_while_they_go_on_and_news_for_a_week() -> None:
    loss(timedelta(days=8))
    assert verdict().problems == []
    loss(timedelta(days=2), count=None)
    assert (the_problem().grade, the_problem().text) == (
        Grade.WARNING,
        "At least 3 events were lost, the last 2 d ago: r",
    )
    loss(timedelta(days=9), told_at=timezone.now())
    assert (the_problem().grade, the_problem().path) == (Grade.CRITICAL, f"{ADMIN}loss/?seen=no")


def test_losses_that_somebody_has_seen_are_no_problem() -> None:
    loss(timedelta(minutes=5))
    Loss.objects.all().mark_seen("ada")
    assert verdict().problems == []
    found = verdict().status.database
    assert found is not None
    assert (found.losses, found.lost_events, found.unseen_losses.records) == (1, 3, 0)  # counted all the same
    loss(timedelta(minutes=2), count=4)
    assert the_problem().text == "4 events were lost, the last 2 min ago: r"
    Loss.objects.all().mark_unseen("ada")
    assert the_problem().text == "7 events were lost, the last 2 min ago: r"


def refused(age: timedelta, count: int = 7) -> Refusal:
    until = timezone.now() - age
    where = {"machine": "m", "journal": "j", "reason": "no channel of this name", "author": "uid 0"}
    return Refusal.objects.create(name="SLAK", count=count, since=until, until=until, **where)


def test_refused_entries_are_news_for_a_week_and_until_they_are_seen() -> None:
    row = refused(timedelta(days=8))
    assert verdict().problems == []
    Refusal.objects.update(until=timezone.now() - timedelta(hours=2))
    problem = the_problem()
    assert (problem.name, problem.grade, problem.path) == (
        "entries-refused",
        Grade.WARNING,
        f"{ADMIN}refusal/?seen=no",
    )
    assert problem.text == "7 journal entries that look like events were refused, the last 2 h ago"

    Refusal.objects.all().mark_seen("ada")
    assert verdict().problems == []
    Refusal.objects.filter(pk=row.pk).update(count=8, until=timezone.now())
    assert the_problem().text == "1 journal entry that looks like an event was refused, the last 0 s ago"
    Refusal.objects.all().mark_seen("ada")
    assert verdict().problems == []
    Refusal.objects.all().mark_unseen("ada")
    assert the_problem().text.startswith("8 journal entries")


def test_what_an_older_follower_refused_during_the_upgrade_is_no_news() -> None:
    row = refused(timedelta(hours=2))
    Refusal.objects.update(reason=NO_CHANNEL, name="SERIES")
    assert verdict().problems == []
    for other in ({"reason": NO_SERIES}, {"name": "SLAK"}):
        Refusal.objects.filter(pk=row.pk).update(**{"reason": NO_CHANNEL, "name": "SERIES"} | other)
        assert the_problem().name == "entries-refused"


def test_nobody_rings_a_bell_with_refused_entries() -> None:
    assert not KINDS["entries-refused"].reported


def test_a_loss_of_which_nobody_knows_how_much() -> None:
    loss(timedelta(days=2), count=None)
    assert the_problem().text == "Events were lost, nobody knows how many, the last 2 d ago: r"


def test_losses_are_told_with_their_channels_and_the_reason_of_the_last() -> None:
    loss(timedelta(minutes=2), channel="SLACK", reason="the outbox\nwas full", count=1)
    assert the_problem().text == "1 event of SLACK was lost, the last 2 min ago: the outbox was full"
    loss(timedelta(minutes=9), channel="OPS")
    assert the_problem().text == "4 events of OPS, SLACK were lost, the last 2 min ago: the outbox was full"
    loss(timedelta(minutes=9), reason="all channels")
    assert the_problem().text == "7 events were lost, the last 2 min ago: the outbox was full"


def test_failed_deliveries_until_they_are_to_be_sent_again() -> None:
    row = FailedDelivery.objects.create(channel="SLACK", event_time=timezone.now(), text="x", reason="y")
    assert (the_problem().name, the_problem().path) == ("deliveries-failed", f"{ADMIN}faileddelivery/")
    row.again_at = timezone.now()
    row.save()
    assert verdict().problems == []


def test_a_blocked_channel_of_another_machine_is_shown_and_not_ours_to_report() -> None:
    Machine.objects.create(machine="another", host="another", seen_at=timezone.now())
    for machine in (machine_id(), "another", "gone"):
        Position.objects.create(machine=machine, journal="memory://", channel="SLACK", problem="503", waiting=1)
    ours, theirs = (each for each in verdict().problems if each.name == "channel-blocked")
    assert {ours.elsewhere, theirs.elsewhere} == {True, False}
    assert ours.subject == theirs.subject == "SLACK"


def test_a_channel_that_was_removed_is_no_problem(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal", max_file_bytes=100)
    for _ in range(20):
        journal.write(journal.encode({"MESSAGE": "x" * 50}))
    columns = {"entry_time": timezone.now() - timedelta(days=200), "problem": "503", "waiting": 1}
    Position.objects.create(machine=machine_id(), journal=journal.url, channel="REMOVED", **columns)
    with patch("notifications.status.channel_problems.journal_from_url", return_value=journal):
        assert verdict().problems == []
        Position.objects.update(channel="SLACK")
        assert {each.name for each in verdict().problems} == {"journal-quota", "channel-blocked"}
        with closing(Lock(Key(machine_id(), journal.url, "SERIES"))):
            Position.objects.update(channel="SERIES")
            assert verdict().problems == [], "it only counts"


@pytest.mark.parametrize(
    ("written", "grade"), [(3, None), (5, Grade.WARNING), (8, Grade.CRITICAL)], ids=["little", "much", "nearly all"]
)
def test_unread_events_near_the_journals_quota(tmp_path: Path, written: int, grade: Grade | None) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.folder.mkdir()
    for number in range(1, 9):
        with (journal.folder / f"{number:08}.journal").open("wb") as file:
            file.truncate(journal.max_file_bytes)  # sparse
    for number in range(1, 9 - written):
        os.utime(journal.folder / f"{number:08}.journal", (0, 0))  # read before
    read_to = timezone.now() - timedelta(hours=2)
    Position.objects.create(machine=machine_id(), journal=journal.url, channel="SLACK", entry_time=read_to)
    with patch("notifications.status.channel_problems.journal_from_url", return_value=journal):
        found = {each.name: each for each in verdict().problems}
    assert (found["journal-quota"].grade if "journal-quota" in found else None) == grade


# Order, and advice


def test_of_one_grade_causes_are_before_symptoms_and_the_advice_is_to_start_what_is_dead(
    workers: list[Heartbeat],
) -> None:
    long_ago = timezone.now() - timedelta(minutes=12)
    payload(State.RECEIVED, received_at=long_ago, next_attempt_at=long_ago)
    payload(State.DEAD)
    assert "--threads" in verdict().problems[-1].advice
    workers.pop(0).close()
    found = verdict().problems
    assert [each.name for each in found] == ["process-raw-dead", "payloads-dead", "payloads-waiting"]
    assert found[-1].advice == "Start process_raw, which handles them."


# Workers


def test_none_turns(workers: list[Heartbeat]) -> None:
    for heart in workers:
        heart.close()
    workers.clear()
    texts = [each.text for each in verdict().problems]
    assert texts == [
        f"No process_raw runs on {HOST}: payloads wait",
        f"No follow_journal runs on {HOST}: events wait",
    ]


def test_a_killed_one_and_a_frozen_one() -> None:
    now = 1_700_000_000.0
    killed = Beat("process_raw", HOST, 4711, "", now, now, now, alive=False)
    frozen = Beat("follow_journal", HOST, 4712, "", now, now, now, activities=[Activity("SLACK", now)])
    with patch("notifications.status.now.beats", return_value=[killed, frozen]):
        dead, stopped = verdict().problems
    assert (dead.name, stopped.name, stopped.subject) == (
        "process-raw-dead",
        "follow-journal-frozen",
        "follow_journal 4712",
    )
    assert dead.text.startswith(
        f"No process_raw runs on {HOST} since 2023-11-14 22:13:20, when process 4711 was killed"
    )
    assert stopped.text.endswith("; it began with SLACK at 2023-11-14 22:13:20")


def test_a_long_handler_within_its_time_limit_is_not_frozen() -> None:
    now = time.time()
    beat = Beat("process_raw", HOST, 4711, "", now, now, now - 50, activities=[Activity("demo", now - 50)])
    assert beat.turns


def drain(command: str) -> None:
    """One whose workers found nothing: threads of their own would wait for the transaction of the test."""
    with patch("notifications.workers.loop.run"):
        call_command(command, drain=True)


@pytest.mark.parametrize("command", ["process_raw", "follow_journal"])
def test_where_cron_drains_no_worker_is_dead(workers: list[Heartbeat], tmp_path: Path, command: str) -> None:
    def close_worker() -> None:
        workers.pop(["process_raw", "follow_journal"].index(command)).close()

    dead = f"{command.replace('_', '-')}-dead"
    drain(command)
    close_worker()
    assert the_problem().name == dead, "it ended in order, and beside it was only a drain"
    drain(command)
    assert verdict().problems == []
    with patch("notifications.workers.drains.time.time", return_value=time.time() + FIRST + 1):
        assert dead in {each.name for each in verdict().problems}
    Heartbeat(command).close()
    assert the_problem().name == dead, "one that was to stay does not"


def test_a_dry_run_is_no_drain(workers: list[Heartbeat]) -> None:
    workers.pop().close()
    with patch("notifications.workers.loop.run"):
        for options in ({"dry_run": True}, {"since": "now"}, {"drain": True, "dry_run": True}):
            call_command("follow_journal", **options)
    assert the_problem().name == "follow-journal-dead"


def test_a_drain_hides_no_killed_worker_for_a_day(workers: list[Heartbeat], tmp_path: Path) -> None:
    workers.pop(0).close()
    killed = tmp_path / "heartbeats" / "process_raw-4711-0123456789ab"
    killed.touch()
    drain("process_raw")
    assert "when process 4711 was killed" in the_problem().text
    os.utime(killed, (0, time.time() - NEWS - 1))
    assert verdict().problems == []


def test_heartbeats_that_this_user_may_not_read() -> None:
    with patch("notifications.status.now.beats", side_effect=PermissionError):
        assert (the_problem().name, the_problem().grade) == ("workers-unknown", Grade.UNKNOWN)


# The list


def away() -> Any:
    """The database, as long as the block lasts."""
    return patch("notifications.status.database.answers", side_effect=OperationalError("gone"))


def slow() -> Any:
    """The database, which answers, but not in time."""
    return patch("notifications.status.database.channel_statuses", side_effect=OperationalError("the line was cut"))


def test_a_database_that_is_too_slow_is_not_away(client: Client) -> None:
    with slow():
        problems = verdict().problems
        text, status = run("--check")
        assert "proppy_database_up 1\n" in client.get("/metrics").text
    assert [each.name for each in problems] == ["database-slow", "database-unknown"]
    assert status == 3
    assert "too late or wrongly: OperationalError: the line was cut." in text


def test_the_gravest_comes_first_and_names_the_exit_status() -> None:
    payload(State.DEAD)
    assert run("--check")[1] == 1
    loss(timedelta())
    assert [each.grade for each in verdict().problems] == [Grade.CRITICAL, Grade.WARNING]
    assert run("--check")[1] == 2
    with patch("notifications.status.now.beats", side_effect=PermissionError), away():
        grades = [each.grade for each in verdict().problems]
    assert grades == [Grade.CRITICAL, Grade.UNKNOWN, Grade.UNKNOWN]


def test_what_cannot_be_asked_alone_is_unknown() -> None:
    with patch("notifications.status.now.beats", side_effect=PermissionError):
        text, status = run("--check")
    assert (text.splitlines()[0], status) == ("1 PROBLEM", 3)


def test_tables_that_are_missing_are_unknown_to_a_monitor() -> None:
    missing = CommandError("The table x is not in the database: run manage.py migrate")
    with (
        slow(),
        patch("notifications.management.commands.proppy_status.require_tables", side_effect=missing),
        pytest.raises(CommandError, match="migrate") as raised,
    ):
        run("--check")
    assert raised.value.returncode == 3


@pytest.mark.parametrize("error", [ImproperlyConfigured("STATE_DIR is\n relative"), ZeroDivisionError("by zero")])
def test_whatever_goes_wrong_is_unknown_to_a_monitor(error: Exception) -> None:
    with patch("notifications.management.commands.proppy_status.verdict", side_effect=error):
        with pytest.raises(CommandError, match=f"{type(error).__name__}: {error.args[0].split()[0]}") as raised:
            run("--check")
        with pytest.raises(type(error)):
            run()
    assert raised.value.returncode == 3


def test_rows_have_what_to_do_and_where(settings: Any) -> None:
    payload(State.DEAD)
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org"
    lines = run("--check")[0].splitlines()
    assert lines == [
        "1 PROBLEM",
        "WARNING   1 payload is dead: nothing tries it again.",
        "          Mend what their failure groups show, then retry the group.",
        f"          https://shop.example.org{ADMIN}rawpayload/?state=dead",
    ]
    settings.NOTIFICATIONS_SITE_URL = ""
    assert run("--check")[0].splitlines()[-1] == f"          {ADMIN}rawpayload/?state=dead"


def test_colour_is_for_terminals() -> None:
    loss(timedelta())
    assert "\x1b" not in run()[0]
    assert "\x1b[31;1mCRITICAL\x1b[0m" in run("--force-color")[0]


def test_json() -> None:
    payload(State.DEAD)
    found = json.loads(run("--json")[0])
    assert found["verdict"] == "1 PROBLEM"
    assert found["problems"] == [
        {
            "name": "payloads-dead",
            "subject": "",
            "grade": "warning",
            "text": "1 payload is dead: nothing tries it again",
            "advice": "Mend what their failure groups show, then retry the group.",
            "path": f"{ADMIN}rawpayload/?state=dead",
        }
    ]
    assert {worker["command"] for worker in found["workers"]} == {"process_raw", "follow_journal"}
    assert json.loads(run("--json", "--check")[0])["verdict"] == "1 PROBLEM"
    assert run("--json", "--check")[1] == 1


def test_metrics(client: Client) -> None:
    text = client.get("/metrics").text
    assert 'proppy_problems{grade="critical"} 0\n' in text
    assert "proppy_problem{" not in text
    payload(State.DEAD)
    text = client.get("/metrics").text
    assert 'proppy_problems{grade="warning"} 1\n' in text
    assert 'proppy_problem{name="payloads-dead",subject="",grade="warning",where="here"} 1\n' in text


def test_the_verdict_is_one_query_besides_that_which_asks_whether_there_is_an_answer(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(1):  # SELECT 1 is not Django's
        verdict()


@pytest.mark.parametrize("whole", [True, False])
def test_each_part_counts_payloads_up_to_a_limit(whole: bool) -> None:
    parts = list(payload_parts.of_payloads(connection, timezone.now(), 7, whole=whole))
    with patch("notifications.status.payload_parts.read_together", return_value={}) as read:
        payload_parts.read_many_dead_open(connection, timezone.now(), 7)
    parts += read.call_args.args[1].items()
    of_payloads = {name: " ".join([*part.columns, part.rest]) for name, part in parts if "rawpayload" in str(part)}
    assert len(of_payloads) == (11 if whole else 8)
    for name, sql in of_payloads.items():
        assert sql.count("notifications_rawpayload") <= sql.count("LIMIT"), name


def test_channels_come_by_their_names() -> None:
    for name in ("SLACK", "MAIL", "REPORT"):
        Position.objects.create(machine="m", journal="j", channel=name)
    found = verdict().status.database
    assert found is not None
    assert [each.channel for each in found.channels] == ["MAIL", "REPORT", "SLACK"]


# Names


@pytest.mark.parametrize("name", KINDS)
def test_each_has_a_file_of_its_own_and_says_when_it_is_over(name: str, settings: Any) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = "journald://proppy"
    for subject in ("", "OPS (plain lines)/../x"):
        if subject and "{subject}" not in KINDS[name].title:
            continue
        mark = mark_of(name, subject)
        assert "/" not in mark
        assert parse_mark(mark) == (name, subject)
        assert subject in title_of(name, subject)
    assert len({mark_of(each) for each in KINDS}) == len(KINDS)


def test_the_documents_have_each() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "workers.md").read_text()
    _, _, rows = page.partition("| problem | there is one if |")
    table, _, _ = rows.partition("\n\n")
    assert sorted(re.findall(r"`([a-z-]+)`", table)) == sorted(KINDS)


def test_the_mark_of_another_unit_is_no_problems() -> None:
    assert parse_mark("proppy-web@1.service") == ("", "")


def test_all_well_has_one_line() -> None:
    assert list(verdict_lines(Verdict([], verdict().status))) == ["ALL WELL"]
