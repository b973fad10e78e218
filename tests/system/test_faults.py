"""A full disk, a shutdown and a power cut in a booted Debian: what was answered with 202 is there, and all events."""

import time
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.booted import JOURNAL, SERVICES
from tests.support.installed import Installed
from tests.support.load import Load, post
from tests.support.visitor_https import HttpsVisitor
from tests.support.wait import wait_for

pytestmark = pytest.mark.system

#: Folders of /var that grow: the state, and the journal of events.
GROWING = ("/var/lib/proppy", "/var/log/journal")
DISK = "/var/small"
#: How many contact forms a worker has read.
READ = "SELECT count(*) FROM proppy_contactmessage"
#: See Accounts. A process that another test has killed may be found to be gone during this one.
ACCOUNTS = """
from notifications.models import Loss, Writer
from notifications.utils.times import moment_of
since, until = moment_of({since}), moment_of({until})
writers = Writer.objects.filter(seen_at__gte=since, seen_at__lt=until)
tokens = list(writers.values_list("token", flat=True))
lost = [loss for loss in Loss.objects.filter(until__gte=since)
        if not loss.key.startswith("gone ") or any(token in loss.key for token in tokens)]
print(len(tokens), writers.filter(ended=False, pid__isnull=False).count(), len(lost),
      Writer.objects.filter(seen_at__gte=until).count())
"""


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


def has_heard(machine: Installed, text: str) -> bool:
    return any(text in message["text"] for message in machine.slack.messages)


@pytest.mark.release
def test_a_full_disk_refuses_kindly_and_recovers(full: Installed) -> None:
    answers = [post_form(full.port) for _ in range(50)]
    assert {status for status, _, _ in answers} == {503}
    assert all("retry-after" in headers for _, headers, _ in answers)
    assert HttpsVisitor(full.port).request("GET", "/")[0] == 200
    wait_for(lambda: has_heard(full, "left: posts are refused"), timeout=120, message="the alert")
    full.run("rm", f"{DISK}/filler")
    wait_for(lambda: has_heard(full, "is nearly full, after"), timeout=120, message="that it is over")
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


class Accounts(NamedTuple):
    """Of the processes that told something last between two moments: how many they are, and how many of them have
    neither said that they ended nor are known to be gone; what they have lost; who has told something later.
    """

    writers: int
    unsettled: int
    lost: int
    after: int


def now_us() -> int:
    return time.time_ns() // 1000


def test_a_shutdown_loses_no_event_and_raises_no_alarm(installed: Installed) -> None:
    def accounts() -> Accounts:
        return Accounts(*map(int, installed.shell(ACCOUNTS.format(since=since, until=until)).split()))

    installed.wait_until_told()
    read, told = installed.rows(READ)[0][0], installed.counted("contact form")
    since = now_us()
    with Load(installed.port, per_second=100, threads=4) as load:
        load.wait_for_more(50)
        installed.power_off()
        until = now_us()
    installed.boot()
    installed.wait_until_active(*SERVICES)
    assert len(load.accepted) >= 50
    installed.wait_until_handled(load.accepted)
    installed.wait_until_told()
    assert installed.counted("contact form") - told == installed.rows(READ)[0][0] - read
    wait_for(lambda: accounts().after, timeout=60, message="the accounts have come to this boot")
    # At once where all have said it; who has not is found to be gone after a minute.
    wait_for(lambda: not accounts().unsettled, timeout=180, message="each process of that boot has ended")
    assert accounts().writers, "process_raw at least has told of the load"
    assert accounts().lost == 0
