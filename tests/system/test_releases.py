"""Upgrade, roll-back, backup and restore in a booted Debian, while it is used."""

from collections.abc import Iterator

import pytest

from tests.support.booted import CHECKOUT, SERVICES
from tests.support.installed import Installed
from tests.support.load import Load
from tests.support.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("booted")]

PAGE = f"{CHECKOUT}/proppy/wsgi.py"
MIGRATION = f"{CHECKOUT}/proppy/migrations/9999_broken.py"
BROKEN_MIGRATION = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("proppy", "{last}")]
    operations = [migrations.RunSQL("SELECT no_such_function()")]
"""


@pytest.fixture
def checkout(installed: Installed) -> Iterator[Installed]:
    """The machine, whose checkout the test may change."""
    yield installed
    installed.copy_checkout()


def append(machine: Installed, path: str, text: str) -> None:
    with (machine.root / path.lstrip("/")).open("a") as file:
        file.write(text)


def test_an_upgrade_and_a_roll_back_refuse_nobody(checkout: Installed) -> None:
    before = checkout.release
    append(checkout, PAGE, "\n# newer\n")
    with Load(checkout.port) as load:
        load.during(checkout.install)
        newer = checkout.release
        load.during(lambda: checkout.run("/opt/proppy/current/deploy/rollback"))
    assert newer > before
    assert checkout.release == before
    assert load.refused == {}
    checkout.wait_until_handled(load.accepted)
    checkout.run("/opt/proppy/current/deploy/rollback", newer)
    assert checkout.release == newer


def test_a_release_that_does_not_start_is_taken_back(checkout: Installed) -> None:
    before = checkout.release
    # Once it has said that it is ready.
    append(checkout, PAGE, "\nraise SystemExit('broken')\n")
    with Load(checkout.port) as load:
        load.wait_for_more()
        done = checkout.try_run(f"{CHECKOUT}/deploy/install")
        load.wait_for_more()
    assert done.returncode == 1
    assert f"{before} is in use again" in done.stdout
    assert checkout.release == before
    checkout.wait_until_active(*SERVICES)
    assert load.refused == {}


def test_a_migration_that_fails_changes_nothing(checkout: Installed) -> None:
    before, releases = checkout.release, checkout.releases
    pids = [checkout.main_pid(unit) for unit in SERVICES]
    migrations = checkout.root / MIGRATION.lstrip("/")
    last = sorted(path.stem for path in migrations.parent.glob("0*.py"))[-1]
    migrations.write_text(BROKEN_MIGRATION.format(last=last))
    done = checkout.try_run(f"{CHECKOUT}/deploy/install")
    assert done.returncode == 1
    assert "no_such_function" in done.stdout
    assert (checkout.release, checkout.releases) == (before, releases)
    assert [checkout.main_pid(unit) for unit in SERVICES] == pids


def test_a_backup_is_restored(installed: Installed) -> None:
    with Load(installed.port) as load:
        load.during(lambda: installed.run("systemctl", "start", "proppy-backup.service"))
    backup = installed.run("sh", "-c", "ls -d /var/backups/proppy/2* | tail -n 1").strip()
    installed.wait_until_handled(load.accepted)
    before = installed.handled()
    installed.shell("from proppy.models import ContactMessage as C; C.objects.all().delete()")
    told = len(installed.slack.messages)
    installed.shell("from notifications import emit; emit('SLACK', 'told after the backup')")
    wait_for(lambda: len(installed.slack.messages) > told, timeout=60, message="the event reaches Slack")

    refused = installed.try_run("/opt/proppy/current/deploy/restore", backup)
    assert refused.returncode == 1
    assert "systemctl stop proppy.target" in refused.stdout
    installed.run("systemctl", "stop", "proppy.target")  # they may still be stopping when the command looks
    try:
        installed.run("/opt/proppy/current/deploy/restore", backup)
    finally:
        installed.run("systemctl", "start", "proppy.target")
    installed.wait_until_active(*SERVICES)
    # What was accepted before the backup began is in it, handled or about to be.
    installed.wait_until_handled(load.accepted[:20])
    assert before >= set(load.accepted)
    installed.shell("from notifications import emit; emit('SLACK', 'told after the restore')")
    messages = installed.slack.messages
    wait_for(lambda: [m for m in messages[told:] if "told after the restore" in m["text"]], timeout=60)
    assert len([m for m in messages[told:] if "told after the backup" in m["text"]]) == 1


def test_an_operator_can_talk_to_a_command(installed: Installed) -> None:
    code = "import sys; print(sys.stdin.isatty(), input())"
    # Again and again: what is typed before the terminal has been handed on is lost.
    talk = f"""(while echo here; do sleep 0.5; done) | script -qec "proppy-manage shell -v 0 -c '{code}'" /dev/null"""
    assert "True here" in installed.run("sh", "-c", talk)
