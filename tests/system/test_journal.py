"""The journal of events in a booted Debian: restarted, killed, rotated, vacuumed, flooded. Nothing is lost."""

from collections.abc import Callable

import pytest

from tests.support.booted import JOURNAL
from tests.support.installed import Installed
from tests.support.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("booted")]

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
COUNTED = """
from django.db.models import Sum
from notifications.models import ReportRow
print(ReportRow.objects.filter(name="{name}").aggregate(n=Sum("count"))["n"] or 0)
"""


def counted(machine: Installed, name: str) -> int:
    return int(machine.shell(COUNTED.format(name=name)))


def wait_until_counted(machine: Installed, name: str, count: int) -> None:
    wait_for(lambda: counted(machine, name) >= count, timeout=300, message=f"{count} x {name}")
    assert counted(machine, name) == count


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
        wait_for(lambda: counted(installed, name), timeout=60, message="the first events")
        disturb(installed)
        output, _ = emitting.communicate(timeout=120)
    assert emitting.returncode == 0, output
    wait_until_counted(installed, name, 2000)


def test_each_event_of_a_storm_is_counted(installed: Installed) -> None:
    name = f"storm {id(installed)}"
    installed.shell(EMIT.format(count=STORM, name=name, seconds=STORM_LASTS))
    wait_until_counted(installed, name, STORM)
