"""The services in a booted Debian: what they may, what they survive."""

import re
import signal

import pytest

from notifications.operations.watch import OVER
from tests.support.booted import JOURNAL, SERVICES
from tests.support.installed import Installed
from tests.support.load import Load
from tests.support.visitor_https import sign_up_and_upload
from tests.support.wait import wait_for

pytestmark = pytest.mark.system

JOBS = (
    *("proppy-web.service", "proppy-backup.service", "proppy-prune.service"),
    *("proppy-alert@x.service", "proppy-redirect.service"),
)
WORKERS = SERVICES[2:]


@pytest.mark.parametrize("unit", [*SERVICES, *JOBS])
def test_the_sandbox_is_tight(installed: Installed, unit: str) -> None:
    said = installed.try_run("systemd-analyze", "security", "--no-pager", unit).stdout
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert level, said
    assert float(level[1]) <= 1.5


def test_a_sign_up_reaches_slack_mail_and_s3(installed: Installed) -> None:
    slack, mail = len(installed.slack.messages), len(installed.mail.messages)
    sign_up_and_upload(installed.port, name="Ada Lovelace", email="ada@example.org")
    wait_for(
        lambda: [
            message for message in installed.slack.messages[slack:] if "Ada Lovelace signed up" in message["text"]
        ],
        timeout=60,
    )
    wait_for(lambda: len(installed.mail.messages) > mail, timeout=60, message="the welcome mail")
    wait_for(lambda: "photo" in " ".join(installed.s3.keys()), timeout=60, message="the photo in S3")


def kill_and_wait(machine: Installed, unit: str) -> None:
    before = machine.main_pid(unit)
    machine.kill_all(unit)
    wait_for(lambda: machine.main_pid(unit) not in {0, before}, timeout=60, message=f"{unit} is started again")
    machine.wait_until_active(unit)


@pytest.mark.parametrize("unit", [*SERVICES, JOURNAL])
def test_a_killed_service_comes_back_and_is_told_once(installed: Installed, unit: str) -> None:
    told = len(installed.slack.messages)
    installed.run("rm", "-rf", "/var/lib/proppy/alerts")  # what another test has caused within the minute
    since = installed.run("date", "+%s.%N").strip()
    kill_and_wait(installed, unit)
    text = f"Unit {unit} failed"
    wait_for(lambda: [m for m in installed.slack.messages[told:] if text in m["text"]], timeout=60, message=text)
    # By one process: systemd has not begun another for this end when it has started the unit again.
    log = installed.run("journalctl", "--no-pager", f"--since=@{since}", "--output=cat", "SYSLOG_IDENTIFIER=systemd")
    assert len(re.findall(rf"Starting proppy-alert@{re.escape(unit)}", log)) == 1, log
    assert "unset environment variable" not in log
    if unit == JOURNAL:  # what it reports itself would be lost with it; process_raw watches it
        over = "Over: journald on .* does not run, after "
        wait_for(
            lambda: [m for m in installed.slack.messages[told:] if re.match(over, m["text"])],
            timeout=OVER + 60,
            message="that it is over",
        )


def test_a_service_that_cannot_start_is_tried_less_and_less_often(installed: Installed) -> None:
    unit = SERVICES[2]
    folder = f"/run/systemd/system/{unit}.d"
    installed.run("mkdir", "-p", folder)
    installed.run("sh", "-c", f"printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {folder}/broken.conf")
    # Before systemd 254 each pause is the same.
    name, value = ("RestartUSec", "3s") if installed.suite == "bookworm" else ("RestartUSecNext", "10s")
    shown = ("systemctl", "show", f"--property={name}", "--value", unit)
    try:
        installed.run("systemctl", "daemon-reload")
        installed.try_run("systemctl", "restart", unit)
        wait_for(lambda: installed.run(*shown).strip() == value, timeout=120, message=f"{name} is {value}")
    finally:
        installed.run("rm", "-r", folder)
        installed.run("systemctl", "daemon-reload")
        installed.run("systemctl", "restart", unit)
    installed.wait_until_active(unit)


@pytest.mark.parametrize("unit", SERVICES)
def test_what_was_accepted_survives_a_kill(installed: Installed, unit: str) -> None:
    with Load(installed.port) as load:
        load.during(lambda: kill_and_wait(installed, unit))
    installed.wait_until_handled(load.accepted)
    if unit in WORKERS:  # a web server takes the connections that it has along
        assert load.refused == {}


@pytest.mark.parametrize("unit", WORKERS)
def test_a_hanging_worker_is_killed_by_the_watchdog(installed: Installed, unit: str) -> None:
    folder = f"/run/systemd/system/{unit}.d"
    installed.run("mkdir", "-p", folder)
    installed.run("sh", "-c", f"printf '[Service]\\nWatchdogSec=5s\\n' > {folder}/quick.conf")
    try:
        installed.run("systemctl", "daemon-reload")
        installed.run("systemctl", "restart", unit)
        before = installed.main_pid(unit)
        installed.run("kill", f"-{signal.SIGSTOP.value}", str(before))
        wait_for(lambda: installed.main_pid(unit) not in {0, before}, timeout=90, message=f"{unit} is started again")
        installed.wait_until_active(unit)
    finally:
        installed.run("rm", "-r", folder)
        installed.run("systemctl", "daemon-reload")


def test_a_restart_of_everything_refuses_nobody(installed: Installed) -> None:
    with Load(installed.port, per_second=200, threads=4) as load:
        load.during(lambda: installed.run("proppy-restart"))
    assert load.refused == {}
    installed.wait_until_handled(load.accepted)


def test_a_restart_at_once_refuses_nobody_either(installed: Installed) -> None:
    with Load(installed.port, per_second=200, threads=4) as load:
        load.during(installed.restart_at_once)
    assert load.refused == {}
    installed.wait_until_handled(load.accepted)


def test_a_stop_stays_one_however_many_come(installed: Installed) -> None:
    """A connection that finds no server must not start what is being stopped."""
    try:
        with Load(installed.port, per_second=200, threads=4) as load:
            load.wait_for_more()
            installed.run("systemctl", "stop", "proppy.target")
            units = (*SERVICES, "proppy-web.service", "proppy-web.socket")
            installed.wait_until("inactive", *units)
            load.wait_for_more(100)
            assert installed.try_run("systemctl", "is-active", *units).stdout.split() == ["inactive"] * len(units)
    finally:
        installed.run("systemctl", "start", "proppy.target")
    installed.wait_until_active(*SERVICES)
    installed.wait_until_handled(load.accepted)


def test_starting_what_the_socket_starts_by_hand_is_refused_and_harms_nobody(installed: Installed) -> None:
    with Load(installed.port) as load:
        load.wait_for_more()
        for verb in ("start", "restart"):
            refused = installed.try_run("systemctl", verb, "proppy-web.service")
            assert refused.returncode != 0
            assert "may be requested by dependency only" in refused.stdout
        load.wait_for_more(40)
    assert load.refused == {}


def test_settings_that_are_refused_stop_no_service(installed: Installed) -> None:
    env = (installed.root / "etc/proppy/env").read_text()
    pids = [installed.main_pid(unit) for unit in SERVICES]
    try:
        nobody_there = "DATABASE_URL=postgres://proppy:x@127.0.0.1:1/proppy"
        for name in ("ALLOWED_HOSTS=", "DATABASE_URL=nonsense", nobody_there):
            installed.write("/etc/proppy/env", f"{env}\n{name}\n")
            refused = installed.try_run("proppy-restart")
            assert refused.returncode == 1
            assert ("127.0.0.1" if name == nobody_there else name.partition("=")[0]) in refused.stdout
            assert "Nothing was stopped." in refused.stdout
            assert "--no-check" in refused.stdout
            assert "systemd-run" not in refused.stdout
    finally:
        installed.write("/etc/proppy/env", env)
    assert [installed.main_pid(unit) for unit in SERVICES] == pids


def test_another_local_user_can_neither_forge_nor_read(installed: Installed) -> None:
    forge = (
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
        "s.sendto(b'MESSAGE=SLACK: forged', '/run/systemd/journal.proppy/socket')"
    )
    installed.shell("from notifications import emit; emit('REPORT', 'a real one')")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    assert "Permission denied" in installed.try_run(*as_nobody, "python3", "-c", forge).stdout
    read = installed.try_run(*as_nobody, "journalctl", "--namespace=proppy", "--no-pager").stdout
    assert "a real one" not in read
    for path in ("/etc/proppy/env", "/etc/proppy/credentials", "/var/lib/proppy", "/var/backups/proppy"):
        tool = "cat" if path.endswith("env") else "ls"
        assert "Permission denied" in installed.try_run(*as_nobody, tool, path).stdout, path
