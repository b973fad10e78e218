"""Upgrade, roll-back, backup and restore in a booted Debian, while it is used."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.booted import CHECKOUT, JOURNAL, SERVICES
from tests.support.installed import Installed
from tests.support.load import Load
from tests.support.ports import free_port
from tests.support.visitor_https import HttpsVisitor
from tests.support.wait import wait_for

pytestmark = pytest.mark.system

PAGE = f"{CHECKOUT}/proppy/wsgi.py"
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


#: Adds a column, as a release may while the one before still runs.
NEW_COLUMN = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("proppy", "{last}")]
    operations = [migrations.RunSQL(
        "ALTER TABLE proppy_contactmessage ADD COLUMN note text NULL",
        "ALTER TABLE proppy_contactmessage DROP COLUMN note",
    )]
"""


def last_migration(machine: Installed, before: str = "1") -> str:
    """The last of the site's migrations in the checkout, before the one of this name."""
    folder = machine.root / CHECKOUT.lstrip("/") / "proppy" / "migrations"
    return max(path.stem for path in folder.glob("0*.py") if path.stem < before)


def add_migration(machine: Installed, name: str, source: str) -> None:
    there = machine.root / CHECKOUT.lstrip("/") / "proppy" / "migrations" / f"{name}.py"
    there.write_text(source.format(last=last_migration(machine)))


def append(machine: Installed, path: str, text: str) -> None:
    with (machine.root / path.lstrip("/")).open("a") as file:
        file.write(text)


@pytest.mark.release
def test_an_upgrade_and_a_roll_back_refuse_nobody(checkout: Installed) -> None:
    before, said = checkout.release, []
    append(checkout, PAGE, "\n# newer\n")
    add_migration(checkout, "0998_note", NEW_COLUMN)
    with Load(checkout.port) as load:
        load.during(checkout.install)
        newer = checkout.release
        load.during(lambda: said.append(checkout.run("/opt/proppy/current/deploy/rollback")))
    assert newer > before
    assert checkout.release == before
    assert "note: the migration proppy/0998_note stays applied" in said[0]
    assert load.refused == {}
    checkout.wait_until_handled(load.accepted)
    releases = checkout.releases
    assert f"take {newer}" in checkout.install()
    assert (checkout.release, checkout.releases) == (newer, releases), "the checkout has not changed"
    checkout.run("proppy-manage", "migrate", "proppy", last_migration(checkout, "0998_note"))
    assert "0998_note" not in checkout.run("/opt/proppy/current/deploy/rollback"), "it was just undone"
    checkout.run("/opt/proppy/current/deploy/rollback", newer)
    assert checkout.release == newer


@pytest.mark.release
def test_what_is_in_use_is_not_installed_again(checkout: Installed) -> None:
    """The one of the checkout; and what an older release cannot know of is in nobody's way."""
    checkout.install()
    before = checkout.releases
    assert f"keep {checkout.release}" in checkout.install()
    assert checkout.releases == before


@pytest.mark.release
def test_a_new_address_is_taken_up(checkout: Installed) -> None:
    """As a release does whose socket unit has another one. A command for what has moved is in deploy/README.md."""
    override = "/etc/systemd/system/proppy-web.socket.d/override.conf"
    before, port = (checkout.root / override.lstrip("/")).read_text(), free_port()
    try:
        checkout.write(override, before.replace(str(checkout.port), str(port)))
        checkout.install()
        assert HttpsVisitor(port).request("GET", "/")[0] == 200
    finally:
        checkout.write(override, before)
        checkout.install()
    assert HttpsVisitor(checkout.port).request("GET", "/")[0] == 200


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
    add_migration(checkout, "0999_broken", BROKEN_MIGRATION)
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
    counted = f"counted once {uuid.uuid4().hex}"
    installed.shell(
        f"from notifications import emit; emit('REPORT', {counted!r}); emit('SLACK', 'told after the backup')"
    )
    wait_for(lambda: len(installed.slack.messages) > told, timeout=60, message="the event reaches Slack")

    refused = installed.try_run("/opt/proppy/current/deploy/restore", backup)
    assert refused.returncode == 1
    assert "systemctl stop proppy.target" in refused.stdout
    installed.run("systemctl", "stop", "proppy.target")  # they may still be stopping when the command looks
    try:
        hidden = installed.try_run("/opt/proppy/current/deploy/restore", CHECKOUT)
        assert "cannot read it" in hidden.stdout
        # As on a machine where nothing has been logged yet.
        installed.run("systemctl", "stop", "systemd-journald@proppy.socket", JOURNAL)
        installed.run("/opt/proppy/current/deploy/restore", backup)
        assert "The channels were moved" in installed.run("/opt/proppy/current/deploy/restore", "--channels-only")
    finally:
        installed.run("systemctl", "start", "proppy.target")
    installed.wait_until_active(*SERVICES)
    installed.wait_until_told()
    assert installed.counted(counted) == 1
    # What was accepted before the backup began is in it, handled or about to be.
    installed.wait_until_handled(load.accepted[:20])
    assert before >= set(load.accepted)
    messages = installed.slack.messages

    def is_told() -> bool:
        """Again and again: a digest of what was accepted since shows the first and the last of its events alone."""
        installed.shell("from notifications import emit; emit('SLACK', 'told after the restore')")
        return any("told after the restore" in message["text"] for message in messages[told:])

    wait_for(is_told, timeout=60, message="an event after the restore reaches Slack")
    assert len([m for m in messages[told:] if "told after the backup" in m["text"]]) == 1


def test_an_operator_can_talk_to_a_command(installed: Installed) -> None:
    code = "import sys; print(sys.stdin.isatty(), input())"
    # Again and again: what is typed before the terminal has been handed on is lost.
    talk = f"""(while echo here; do sleep 0.5; done) | script -qec "proppy-manage shell -v 0 -c '{code}'" /dev/null"""
    assert "True here" in installed.run("sh", "-c", talk)
