"""A full disk and a power cut in a booted Debian: what was answered with 202 is there."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.booted import JOURNAL, SERVICES
from tests.support.installed import Installed
from tests.support.load import Load, post
from tests.support.visitor_https import HttpsVisitor
from tests.support.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("booted")]

#: Folders of /var that grow: the state, and the journal of events.
GROWING = ("/var/lib/proppy", "/var/log/journal")
DISK = "/var/small"


@pytest.fixture
def full(installed: Installed) -> Iterator[Installed]:
    """The machine with a /var of its own, which is full; a test must not fill the disk of its machine."""
    installed.stop()
    installed.run("mkdir", DISK)
    installed.run("mount", "-t", "tmpfs", "-o", "size=1G", "tmpfs", DISK)
    mounted = []
    try:
        for number, folder in enumerate(GROWING):
            installed.run("cp", "-a", folder, f"{DISK}/{number}")
            installed.run("mount", "--bind", f"{DISK}/{number}", folder)
            mounted.append(folder)
        installed.run("systemctl", "restart", JOURNAL)
        installed.run("systemctl", "start", "proppy.target")
        installed.wait_until_active(*SERVICES)
        installed.try_run("sh", "-c", f"cat /dev/zero > {DISK}/filler")
        yield installed
    finally:
        installed.stop()
        for folder in reversed(mounted):
            installed.run("umount", "--lazy", folder)  # the alert of a unit may still be there
        installed.run("umount", "--lazy", DISK)
        installed.run("rmdir", DISK)
        installed.run("systemctl", "restart", JOURNAL)
        installed.run("systemctl", "start", "proppy.target")


def post_form(port: int) -> tuple[int, dict[str, str], bytes]:
    """With a mark of its own, as those of the load."""
    return post(port, "/in/contact/", f"name={uuid.uuid4().hex}&email=a%40example.org&text=hello".encode())


def test_a_full_disk_refuses_kindly_and_recovers(full: Installed) -> None:
    answers = [post_form(full.port) for _ in range(50)]
    assert {status for status, _, _ in answers} == {503}
    assert all("retry-after" in headers for _, headers, _ in answers)
    assert HttpsVisitor(full.port).request("GET", "/")[0] == 200
    full.run("rm", f"{DISK}/filler")
    # Each of the two servers finds out for itself: several in a row, or one of them would not be asked.
    row: list[int] = []

    def again() -> bool:
        row.append(post_form(full.port)[0])
        return row[-20:] == [202] * 20

    wait_for(again, timeout=60, message="both servers answer 202")
    with Load(full.port) as load:
        load.wait_for_more()
    assert load.refused == {}
    full.wait_until_handled(load.accepted)
    told = len(full.slack.messages)
    full.shell("from notifications import emit; emit('SLACK', 'there is room again')")
    wait_for(lambda: len(full.slack.messages) > told, timeout=60, message="the event reaches Slack")


def test_what_was_accepted_survives_a_hard_power_off(installed: Installed) -> None:
    with Load(installed.port) as load:
        load.wait_for_more(50)
        installed.power_off_hard()
    installed.boot()
    installed.wait_until_active(*SERVICES)
    assert len(load.accepted) >= 50
    installed.wait_until_handled(load.accepted)
