"""The journal of events in a booted Debian: restarted, killed, rotated, vacuumed, flooded. Nothing is lost."""

import time
import uuid
from collections.abc import Callable

import pytest

from tests.support.booted import JOURNAL
from tests.support.installed import Installed
from tests.support.wait import wait_for

pytestmark = pytest.mark.system

STORM = 100_000
#: Seconds.
STORM_LASTS = 10

EMIT = """
import time
from notifications import emit
start = time.monotonic()
for number in range({count}):
    emit("REPORT", "{name}")
    if number % 100 == 0:
        time.sleep(max(0, start + {seconds} * number / {count} - time.monotonic()))
"""

STORM_CODE = EMIT.format(count=STORM, name="{name}", seconds=STORM_LASTS) + "import os; print(os.getpid())"


def wait_until_counted(machine: Installed, name: str, count: int) -> None:
    wait_for(lambda: machine.counted(name) >= count, timeout=300, message=f"{count} x {name}")
    assert machine.counted(name) == count


@pytest.mark.parametrize(
    "disturb",
    [
        lambda machine: machine.run("systemctl", "restart", JOURNAL),
        lambda machine: machine.kill_all(JOURNAL),
        lambda machine: machine.run("journalctl", "--namespace=proppy", "--rotate"),
        lambda machine: machine.run("journalctl", "--namespace=proppy", "--rotate", "--vacuum-files=2"),
    ],
    ids=["restart", "kill", "rotate", "vacuum"],
)
def test_nothing_is_lost(
    installed: Installed, disturb: Callable[[Installed], object], request: pytest.FixtureRequest
) -> None:
    name = f"{request.node.callspec.id} {id(request)}"
    code = EMIT.format(count=2000, name=name, seconds=4)
    with installed.start("proppy-manage", "shell", "-v", "0", "-c", code) as emitting:
        wait_for(lambda: installed.counted(name), timeout=60, message="the first events")
        disturb(installed)
        output, _ = emitting.communicate(timeout=120)
    assert emitting.returncode == 0, output
    wait_until_counted(installed, name, 2000)


@pytest.mark.release
def test_it_stays_up_in_silence(installed: Installed) -> None:
    """A journald of a namespace ends after 30 s without entries, and a shutdown may begin before it is up again."""
    before = installed.main_pid(JOURNAL)
    last = ("journalctl", "--namespace=proppy", "--no-pager", "--lines=1", "--output=short-unix")
    silent = 33  # seconds

    def is_silent() -> bool:
        assert installed.main_pid(JOURNAL) == before
        return time.time() - float(installed.run(*last).split()[0]) > silent

    wait_for(is_silent, timeout=180, message=f"{silent} s of silence")


@pytest.mark.release
def test_each_event_of_a_storm_is_counted(installed: Installed) -> None:
    """If the machine is too busy for 10,000 a second, the rest is lost by number."""
    name = f"storm {uuid.uuid4().hex}"
    before = installed.rows("SELECT coalesce(max(id), 0) FROM notifications_loss")[0][0]
    printed = installed.shell(STORM_CODE.format(name=name)).splitlines()
    pid = next(line for line in printed if line.isdigit())
    of_it = f"WHERE id > {before} AND origin LIKE '% {pid}'"

    def accounted() -> int:
        lost = installed.rows(f"SELECT coalesce(sum(count), 0) FROM notifications_loss {of_it}")[0][0]
        return installed.counted(name) + int(lost)

    wait_for(lambda: accounted() >= STORM, timeout=300, message=f"{STORM} x {name}, or their loss")
    installed.wait_until_told()
    assert accounted() == STORM
    assert installed.counted(name)
    assert not installed.rows(f"SELECT reason FROM notifications_loss {of_it} AND count IS NULL")
