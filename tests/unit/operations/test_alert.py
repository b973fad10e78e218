"""A failed unit is reported: through the journal, or directly if the journal depends on the unit."""

import logging
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command

from notifications.channels import Unavailable, Undeliverable
from notifications.channels.slack import Slack
from notifications.events.encoding import event_of
from notifications.events.event import Event
from notifications.journal import journal_from_url
from notifications.operations import alert, alert_mark, alert_post
from notifications.operations.alert import Failure, failure
from notifications.operations.alert_mark import reported_just_now
from notifications.operations.alert_post import Post
from tests.support.in_process import Told
from tests.support.journald import JournaldNamespace
from tests.support.journals import read_all, settle, write
from tests.support.ports import free_port
from tests.support.processes import settings_env
from tests.support.slack import FakeSlack, RateLimited
from tests.support.tell import Clock, ScriptedChannel
from tests.support.warm_python import run_python

HOST: Final = os.uname().nodename
WEB: Final = "proppy-web@1.service"
FOLLOWER: Final = "proppy-follow-journal.service"


@pytest.fixture(autouse=True)
def _own_state(settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "state"


@pytest.fixture
def to_slack(settings: Any, slack: FakeSlack) -> FakeSlack:
    """SLACK is a channel of this server."""
    options = {"class": "notifications.channels.slack.Slack", "token": slack.token, "api_url": slack.url}
    settings.NOTIFICATIONS_CHANNELS = {"SLACK": options}
    return slack


def texts(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages]


# What systemd says


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((WEB, "exit-code", "exited", "1"), "exit-code, status 1"),
        ((WEB, "exit-code", "exited", "0"), "exit-code, of a command before or after its main one"),
        ((WEB, "signal", "killed", "KILL"), "signal, killed by KILL"),
        ((WEB, "core-dump", "dumped", "SEGV"), "core-dump, core dumped by SEGV"),
        ((WEB, "watchdog", "killed", "ABRT"), "watchdog, killed by ABRT"),
        ((WEB, "oom-kill", "killed", "KILL"), "oom-kill, killed by KILL"),
        ((WEB, "start-limit-hit", "", ""), "start-limit-hit"),
        ((WEB, "\x1b[31m\u202e" + "x" * 200, "", ""), "\ufffd[31m\ufffd" + "x" * 74),
    ],
)
def test_says_which_unit_failed_where_and_how(arguments: tuple[str, ...], text: str) -> None:
    assert Failure(*arguments).text("myhost") == f"Unit {WEB} failed on myhost: {text}"


def test_says_no_more_than_it_knows() -> None:
    assert Failure(WEB).text("myhost") == f"Unit {WEB} failed on myhost"


@pytest.mark.parametrize(
    "name",
    [WEB, "-.mount", "nginx.service", "a:b_c.d.timer", r"dev-disk-by\x2duuid.swap", "user@1000.service", "x.slice"],
)
def test_names_of_units(name: str) -> None:
    assert failure(name, result="timeout") == Failure(name, "timeout")
    assert failure(f"{name}:exit-code:exited:3") == Failure(name, "exit-code", "exited", "3")
    assert failure(f"{name}:resources::", result="x") == Failure(name, "resources")
    assert failure(f"{name}:::", result="x") == Failure(name, "x")


@pytest.mark.parametrize(
    "name",
    ["", "nginx", "../../etc/passwd.service", "a b.service", "*.service", "é.service", "x.service\n", "a;b.service",
     "x.service:exit-code", "x" * 300 + ".service", "--lines=999.service\0"],
)  # fmt: skip
def test_an_invalid_name_of_a_unit(name: str) -> None:
    with pytest.raises(CommandError, match="is not a unit's name, such as proppy-web@1"):
        call_command("proppy_alert", "--", name)


# Through the journal


@pytest.mark.django_db(transaction=True)
def test_any_unit_is_an_event(told: Told, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        call_command("proppy_alert", "--result=exit-code", "--code=exited", "--exit-status=1", "--", WEB)
        call_command("proppy_alert", "--", "-.mount:timeout::")
    first, second = told.events()
    assert (first.name, first.text) == ("SLACK", f"Unit {WEB} failed on {HOST}: exit-code, status 1")
    assert first.data == {"kind": "unit failure", "unit": WEB, "alert": True}
    assert second.text == f"Unit -.mount failed on {HOST}: timeout"


def test_a_success_is_not_told(told: Told, to_slack: FakeSlack) -> None:
    for unit in (WEB, FOLLOWER):
        call_command("proppy_alert", unit, "--result=success", "--code=exited", "--exit-status=0")
        call_command("proppy_alert", f"{unit}:success:exited:0")
    assert told.events() == []
    assert to_slack.requests == []


def test_another_channel_is_told_where_the_setting_says_so(told: Told, settings: Any) -> None:
    settings.NOTIFICATIONS_ALERT_CHANNEL = "REPORT"
    call_command("proppy_alert", WEB)
    assert [event.name for event in told.events()] == ["REPORT"]


def test_a_setting_that_names_no_channel(settings: Any) -> None:
    settings.NOTIFICATIONS_ALERT_CHANNEL = "PAGER"
    with pytest.raises(CommandError, match="NOTIFICATIONS_ALERT_CHANNEL is 'PAGER', not a channel"):
        call_command("proppy_alert", WEB)


# The last lines of its log


@pytest.fixture
def machine(journald: JournaldNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JournaldNamespace:
    """journalctl reads this namespace, since there is no systemd here whose units have logs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "journalctl"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/journalctl --namespace={journald.name} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return journald


def log(journald: JournaldNamespace, unit: str, *lines: str) -> None:
    """As root says of a unit; journalctl -u believes that."""
    journal = journal_from_url(journald.url, Path("/tmp"))
    for line in lines:
        write(journal, line, OBJECT_SYSTEMD_UNIT=unit)
    settle(journal)


@pytest.mark.services
def test_the_log_of_a_unit_that_is_listed(machine: JournaldNamespace, told: Told, settings: Any) -> None:
    settings.NOTIFICATIONS_ALERT_LOG_UNITS = ["backup.service"]
    log(machine, "backup.service", *(f"line {number}" for number in range(12)), "disk <full>\x1b[0m")
    log(machine, "other.service", "password=hunter2")

    call_command("proppy_alert", "backup.service:exit-code:exited:2")
    call_command("proppy_alert", "other.service")

    listed, other = told.events()
    first, *rest = listed.text.split("\n")
    assert first == f"Unit backup.service failed on {HOST}: exit-code, status 2"
    assert rest[:9] == [f"line {number}" for number in range(3, 12)]
    assert rest[9].startswith("disk <full>")
    assert len(rest) == 10
    assert other.text == f"Unit other.service failed on {HOST}"


@pytest.mark.services
def test_the_log_of_a_chatty_unit_is_bounded(machine: JournaldNamespace) -> None:
    log(machine, "backup.service", *["x" * 100_000] * 9, "the end")
    lines = alert.last_lines("backup.service")
    assert len(lines) == alert.LONGEST_LOG
    assert lines.endswith("\nthe end")


@pytest.mark.parametrize("program", ["exit 1", "exec sleep 60"])
def test_a_log_that_cannot_be_read_stops_no_alert(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told, settings: Any
) -> None:
    settings.NOTIFICATIONS_ALERT_LOG_UNITS = [WEB]
    monkeypatch.setattr(alert, "LOG_SECONDS", 0.2)
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    call_command("proppy_alert", WEB)
    assert [event.text for event in told.events()] == [f"Unit {WEB} failed on {HOST}"]


# Past the journal


@pytest.mark.parametrize(
    "unit",
    [FOLLOWER, "systemd-journald.service", "systemd-journald@proppy.service", "systemd-journald.socket"],
)
def test_what_would_have_to_tell_itself_is_posted(unit: str, to_slack: FakeSlack, told: Told) -> None:
    call_command("proppy_alert", f"{unit}:signal:killed:KILL")
    assert texts(to_slack) == [f"Unit {unit} failed on {HOST}: signal, killed by KILL"]
    assert told.events() == []


def test_the_follower_may_have_another_name(to_slack: FakeSlack, told: Told, settings: Any) -> None:
    settings.NOTIFICATIONS_FOLLOWER_UNIT = "shop-follower.service"
    call_command("proppy_alert", "shop-follower.service")
    call_command("proppy_alert", FOLLOWER)
    assert texts(to_slack) == [f"Unit shop-follower.service failed on {HOST}"]
    assert [event.text for event in told.events()] == [f"Unit {FOLLOWER} failed on {HOST}"]


def test_a_crash_loop_is_posted_once_a_minute_and_the_rest_is_in_the_journal(to_slack: FakeSlack, told: Told) -> None:
    for _ in range(3):
        call_command("proppy_alert", FOLLOWER)
    call_command("proppy_alert", "systemd-journald@proppy.service")
    assert len(texts(to_slack)) == 2
    assert len(told.events()) == 2


def test_the_minute_passes(settings: Any) -> None:
    stamp = settings.NOTIFICATIONS_STATE_DIR / "alerts" / FOLLOWER
    assert not reported_just_now(FOLLOWER)
    assert reported_just_now(FOLLOWER)
    then = stamp.stat().st_mtime
    os.utime(stamp, (then, then - alert_mark.QUIET))
    assert not reported_just_now(FOLLOWER)
    os.utime(stamp, (then, then + 3600))  # the clock was set back
    assert not reported_just_now(FOLLOWER)
    assert stamp.parent.stat().st_mode & 0o777 == 0o700


def test_a_crash_loop_of_any_other_unit_is_told_once_a_minute(to_slack: FakeSlack, told: Told) -> None:
    for unit in (WEB, WEB, "nginx.service", WEB):
        call_command("proppy_alert", unit)
    texts = [each.text for each in told.events()]
    assert texts == [f"Unit {unit} failed on {HOST}" for unit in (WEB, "nginx.service")]


def test_a_state_dir_that_cannot_be_used_stops_no_alert(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "file"
    assert not reported_just_now(FOLLOWER)
    assert not reported_just_now(FOLLOWER)


@pytest.fixture
def patient(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(alert_post, "time", clock)
    return clock


def event() -> Event:
    return Event("SLACK", "it failed", datetime(2026, 5, 1, tzinfo=UTC))


def turned(worker: Post, clock: Clock) -> list[float]:
    """The waits that were asked for."""
    waits = []
    while (delay := worker.poll()) is not None:
        waits.append(delay)
        clock.now += delay
    worker.close()
    return waits


def test_retry_after_is_obeyed(slack: FakeSlack, patient: Clock) -> None:
    slack.answers(RateLimited(7), RateLimited(5))
    worker = Post(Slack("SLACK", token=slack.token, api_url=slack.url), event())
    assert turned(worker, patient) == [7.0, 5.0]
    assert worker.problem == ""
    assert texts(slack) == ["it failed"]


def test_three_tries_and_no_more(slack: FakeSlack, patient: Clock) -> None:
    slack.answers(503, "reset", 500)
    worker = Post(Slack("SLACK", token=slack.token, api_url=slack.url), event())
    first, second = turned(worker, patient)
    assert 2 <= first <= 4
    assert 4 <= second <= 8
    assert len(slack.requests) == alert_post.TRIES
    assert "500" in worker.problem


def test_half_a_minute_and_no_longer(patient: Clock) -> None:
    channel = ScriptedChannel(script=[Unavailable("slowly", retry_after=31.0)])
    worker = Post(channel, event())
    assert turned(worker, patient) == []
    assert (channel.tried, channel.closed, worker.problem) == (["it failed"], True, "slowly")


@pytest.mark.parametrize(
    ("error", "problem"), [(Undeliverable("no such channel"), "no such channel"), (KeyError("x"), "it raised KeyError")]
)
def test_what_is_of_no_use_is_not_tried_again(error: Exception, problem: str, patient: Clock) -> None:
    worker = Post(ScriptedChannel(script=[error]), event())
    assert turned(worker, patient) == []
    assert problem in worker.problem


def test_an_alert_that_cannot_be_posted_is_left_in_the_journal(to_slack: FakeSlack, told: Told) -> None:
    to_slack.answers({"ok": False, "error": "invalid_auth"})
    with pytest.raises(CommandError, match=r"^invalid_auth: .*\. The alert is in the journal"):
        call_command("proppy_alert", FOLLOWER)
    assert [each.text for each in told.events()] == [f"Unit {FOLLOWER} failed on {HOST}"]


# As systemd runs it


@pytest.fixture
def run(tmp_path: Path, slack: FakeSlack) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """manage.py proppy_alert as a process whose database is away."""

    def run(*arguments: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        away = {"DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/none"}
        env = settings_env(tmp_path) | slack.env | away | changed
        return run_python(["manage.py", "proppy_alert", *arguments], env=env)

    return run


def test_without_a_database_through_the_journal(run: Any, tmp_path: Path, slack: FakeSlack) -> None:
    done = run("--result", "exit-code", "--code", "exited", "--exit-status", "1", "--", WEB)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    journal = journal_from_url(f"file://{tmp_path}/state/journal", tmp_path)
    found = [event_of(entry, frozenset({os.getuid()})) for entry in read_all(journal.open(follow=False))]
    told = [each.text for each in found if each is not None and each.name == "SLACK"]
    assert told == [f"Unit {WEB} failed on {HOST}: exit-code, status 1"]
    assert slack.requests == []


def test_without_database_and_journal(run: Any, slack: FakeSlack) -> None:
    done = run(f"{FOLLOWER}:exit-code:exited:1", JOURNAL_URL="journald://proppy-test-absent")
    assert done.returncode == 0, done.stderr
    assert texts(slack) == [f"Unit {FOLLOWER} failed on {HOST}: exit-code, status 1"]


def test_units_with_logs_are_listed_in_the_environment(
    run: Any, tmp_path: Path, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "journalctl").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "journalctl").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    run(FOLLOWER, ALERT_LOG_UNITS=f"other.service, {FOLLOWER}", PATH=path)
    assert texts(slack)[0].split("\n") == [
        f"Unit {FOLLOWER} failed on {HOST}",
        f"--unit={FOLLOWER} --lines=10 --output=cat --no-pager --quiet",
    ]


def test_says_in_its_own_log_what_went_wrong(run: Any, slack: FakeSlack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    slack.answers({"ok": False, "error": "channel_not_found"})
    done = run(FOLLOWER)
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: channel_not_found: ")
    assert "Traceback" not in done.stderr
