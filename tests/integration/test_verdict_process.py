"""What a person on call sees: real workers that are killed, frozen or missing, and a Slack that is down.

Each appears in `proppy_status --check`, in the message, and its end does too.
"""

import os
import re
import signal
import socket
from pathlib import Path
from typing import Final

import pytest

from tests.support.child import Process
from tests.support.processes import Name, Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for
from tests.support.warm_python import run_python

pytestmark = pytest.mark.slow
HOST: Final = os.uname().nodename
SOON: Final = 60.0
HELLO: Final = ("shell", "-c", "from notifications import emit; emit('SLACK', 'Ada signed up')")


@pytest.fixture
def watched(site: Site, slack: FakeSlack) -> Site:
    """Alerts come within seconds."""
    site.env |= slack.env | {
        "DJANGO_SETTINGS_MODULE": "tests.support.quick_alerts_settings",
        "SITE_URL": "https://shop.example.org",
    }
    site.migrate()
    return site


def start(site: Site, *names: Name) -> list[Process]:
    started = [site.start(name) for name in names]
    wait_for(lambda: not problems(site) & set(names), timeout=SOON)
    return started


def check(site: Site) -> tuple[str, int]:
    """What proppy_status --check prints, and how it exits."""
    done = run_python(["manage.py", "proppy_status", "--check"], env=site.env, timeout=120)
    assert done.stderr == ""
    return done.stdout, done.returncode


def problems(site: Site) -> set[str]:
    """The commands that the verdict names."""
    return set(re.findall(r"process_raw|follow_journal", check(site)[0]))


def said(slack: FakeSlack, pattern: str) -> list[str]:
    """The messages that begin so."""
    return [message["text"] for message in slack.messages if re.match(pattern, message["text"])]


def test_all_is_well(watched: Site, slack: FakeSlack) -> None:
    start(watched, "process_raw", "follow_journal")
    assert check(watched) == ("ALL WELL\n", 0)


def test_a_machine_that_cron_drains(watched: Site) -> None:
    for command in ("process_raw", "follow_journal"):
        assert problems(watched) >= {command}
        watched.manage(command, "--drain")
    assert check(watched) == ("ALL WELL\n", 0)


@pytest.mark.parametrize(
    ("name", "waits", "witness"),
    [("follow_journal", "events", "process_raw"), ("process_raw", "payloads", "follow_journal")],
)
def test_a_killed_worker(watched: Site, slack: FakeSlack, name: Name, waits: str, witness: Name) -> None:
    process, _ = start(watched, name, witness)
    pid = process.pid
    process.kill()
    text, status = check(watched)
    facts = rf"No {name} runs on {HOST} since [\d: -]+, when process {pid} was killed: {waits} wait\."
    assert re.match(rf"1 PROBLEM\nWARNING   {facts}\n", text)
    assert status == 1
    wait_for(lambda: said(slack, facts), timeout=SOON)
    start(watched, name)
    wait_for(lambda: said(slack, rf"Over: no {name} runs on {HOST}, after \d+ (s|min)"), timeout=SOON)
    assert len(slack.messages) == 2
    assert check(watched) == ("ALL WELL\n", 0)


@pytest.mark.parametrize(("name", "witness"), [("follow_journal", "process_raw"), ("process_raw", "follow_journal")])
def test_a_frozen_worker(watched: Site, slack: FakeSlack, name: Name, witness: Name) -> None:
    process, _ = start(watched, name, witness)
    os.kill(process.pid, signal.SIGSTOP)
    facts = rf"{name} on {HOST} \(process {process.pid}\) has hung for \d+ s"
    wait_for(lambda: said(slack, facts), timeout=SOON)
    text, status = check(watched)
    assert re.match(rf"1 PROBLEM\nWARNING   {facts}", text)
    assert status == 1
    os.kill(process.pid, signal.SIGCONT)
    over = rf"Over: {name} {process.pid} on {HOST} hangs, after \d+ s"
    wait_for(lambda: said(slack, over), timeout=SOON)
    assert check(watched) == ("ALL WELL\n", 0)


def test_a_slack_that_is_down(watched: Site, slack: FakeSlack) -> None:
    """The alert is for Slack too, so it comes when it is over; the command says it meanwhile."""
    start(watched, "process_raw", "follow_journal")
    slack.answers(*[503] * 1000)
    watched.manage(*HELLO)
    wait_for(lambda: "SLACK has delivered nothing" in check(watched)[0], timeout=SOON)
    text, status = check(watched)
    assert re.search(r"WARNING   SLACK has delivered nothing since .*503.*; 1 event waits", text)
    assert "https://shop.example.org/admin/notifications/position/" in text
    assert status == 1
    wait_for(
        lambda: any("SLACK has delivered nothing" in each.fields.get("text", "") for each in slack.requests),
        timeout=SOON,
    )
    slack.recover()
    wait_for(lambda: said(slack, f"Over: SLACK on {HOST} delivers nothing, after "), timeout=SOON)
    assert len(said(slack, "SLACK has delivered nothing")) == 1
    assert len(said(slack, "Ada signed up")) == 1


def test_it_draws_again_until_it_is_told_to_stop(watched: Site, tmp_path: Path) -> None:
    start(watched, "process_raw", "follow_journal")
    watching = Process(
        [*watched.command("process_raw")[:2], "proppy_status", "--watch", "--check"],
        env=watched.env,
        log=tmp_path / "watch.log",
    )
    wait_for(lambda: watching.log.count("ALL WELL") >= 2, timeout=SOON)
    watched.kill("process_raw")
    wait_for(lambda: "No process_raw runs" in watching.log, timeout=SOON)
    assert watching.terminate() == 0


def test_a_postgresql_that_accepts_and_never_answers(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site.env["DATABASE_URL"] = f"postgres://proppy@127.0.0.1:{silent.getsockname()[1]}/proppy"
        text, status = check(site)
    assert status == 2
    assert re.search(rf"^CRITICAL  The database is away, seen from {HOST}: OperationalError", text, re.MULTILINE)
    assert "UNKNOWN   Payloads, channels, failed deliveries and losses are unknown" in text
