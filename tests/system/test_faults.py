"""A full disk and a power cut in a booted Debian: what was answered with 202 is there."""

import pytest

from tests.support.booted import SERVICES
from tests.support.installed import Installed
from tests.support.load import Load, post
from tests.support.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("booted")]

STATE = "/var/lib/proppy"
FORM = b"name=Ada&email=a%40example.org&text=hello"


def test_a_full_disk_refuses_kindly_and_recovers(installed: Installed) -> None:
    installed.run("systemctl", "stop", "proppy.target")
    installed.run("mv", STATE, f"{STATE}.kept")
    installed.run("mkdir", STATE)
    # Small, and of its own: a test must not fill the disk of its machine.
    installed.run("mount", "-t", "tmpfs", "-o", "size=1G,mode=0700,uid=proppy,gid=proppy", "tmpfs", STATE)
    try:
        installed.run("sh", "-c", f"cp -a {STATE}.kept/. {STATE}/")
        installed.run("systemctl", "start", "proppy.target")
        installed.wait_until_active(*SERVICES)
        installed.try_run("sh", "-c", f"cat /dev/zero > {STATE}/filler")
        answers = [post(installed.port, "/in/contact/", FORM) for _ in range(50)]
        assert {status for status, _, _ in answers} <= {202, 503}
        assert all("retry-after" in headers for status, headers, _ in answers if status == 503)
        assert {status for status, _, _ in answers} == {503}, "the disk was not full"
        installed.run("rm", f"{STATE}/filler")
        wait_for(lambda: post(installed.port, "/in/contact/", FORM)[0] == 202, timeout=60, message="202 again")
        with Load(installed.port) as load:
            load.wait_for_more()
        assert load.refused == {}
        installed.wait_until_handled(load.accepted)
    finally:
        installed.run("systemctl", "stop", "proppy.target")
        installed.run("umount", STATE)
        installed.run("rmdir", STATE)
        installed.run("mv", f"{STATE}.kept", STATE)
        installed.run("systemctl", "start", "proppy.target")


def test_what_was_accepted_survives_a_hard_power_off(installed: Installed) -> None:
    with Load(installed.port) as load:
        load.wait_for_more(50)
        installed.power_off_hard()
    installed.boot()
    installed.wait_until_active(*SERVICES)
    assert len(load.accepted) >= 50
    installed.wait_until_handled(load.accepted)
