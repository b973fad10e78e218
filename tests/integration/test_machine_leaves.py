"""Machines that share a PostgreSQL: one that ends in order is forgotten, unless it has left something undone."""

from typing import Final

import pytest

from notifications.models import Machine, Position
from notifications.positions.key import machine_id
from tests.support.child import Process
from tests.support.journald import with_file
from tests.support.machines import Machines
from tests.support.processes import Name, Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
SOON: Final = 60.0
HELLO: Final = "from notifications import emit; emit('SLACK', 'Ada signed up')"


@pytest.fixture
def machine(machines: Machines, slack: FakeSlack) -> Site:
    """With both workers, known to the others."""
    site = machines.add("a")
    site.env |= slack.env
    site.start("process_raw")
    site.start("follow_journal")
    wait_for(lambda: Machine.objects.filter(workers__1__command="process_raw").exists(), timeout=SOON)
    return site


def in_box(site: Site, host: str) -> Process:
    """Its process_raw in a container without a machine id, whose host name is another after each deploy."""
    named = ["unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh", *site.command("process_raw")]
    command = with_file("/etc/machine-id", "", site.folder, named)
    return Process(command, env=site.env, log=site.folder / f"{host}.log")


def test_the_next_container_is_the_same_machine(machines: Machines) -> None:
    site = machines.add("a")
    for host in ("box-1", "box-2"):
        process = in_box(site, host)
        try:
            wait_for(lambda name=host: Machine.objects.filter(host=name).exists(), timeout=SOON)  # type: ignore[misc]  # mypy#15459
        finally:
            process.kill()
    assert list(Machine.objects.values_list("machine", "host")) == [("box-1", "box-2")]


def stop(site: Site, name: Name) -> None:
    assert site.terminate(name) == 0, site.log(name)


def test_once_its_last_worker_has_ended_nobody_misses_it(machine: Site) -> None:
    stop(machine, "process_raw")
    assert Machine.objects.exists(), "its follower goes on"
    stop(machine, "follow_journal")
    assert not Machine.objects.exists()
    machine.start("process_raw")
    wait_for(Machine.objects.exists, timeout=SOON)


def test_one_that_is_killed_is_missed(machine: Site) -> None:
    machine.kill("follow_journal")
    stop(machine, "process_raw")
    assert not Machine.objects.exists(), "nothing of it lives, and the last one ended in order"
    machine.start("process_raw")
    wait_for(Machine.objects.exists, timeout=SOON)
    machine.kill("process_raw")
    assert Machine.objects.exists()


def test_what_it_leaves_undone_is_named(machine: Site, slack: FakeSlack) -> None:
    slack.answers(*[503] * 1000)
    machine.manage("shell", "--verbosity", "0", "-c", HELLO)
    wait_for(lambda: Position.objects.filter(machine=machine_id(), channel="SLACK", waiting=1).exists(), timeout=SOON)
    (machine.folder / "state" / "spool").mkdir(exist_ok=True)
    (machine.folder / "state" / "spool" / "4711.damaged").write_bytes(b"x")
    stop(machine, "follow_journal")
    stop(machine, "process_raw")
    left = "1 payload in its spool and 1 event in its journal"
    assert Machine.objects.get().problems == [{"name": "left", "text": left}]
