"""proppy_doctor on a Debian that was installed by the guide, whole and broken; and the fields of its logs."""

import json
import uuid
from typing import Any

import pytest

from tests.support.booted import JOURNAL, SERVICES
from tests.support.installed import Installed
from tests.support.wait import wait_for

pytestmark = pytest.mark.system


def findings(machine: Installed, *names: str) -> list[dict[str, Any]]:
    """What it finds as root calls it; a machine in a container has no clock of its own."""
    only = [part for name in names for part in ("--only", name)]
    done = machine.try_run("proppy-manage", "proppy_doctor", "--json", *only)
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return [each for each in found if each["name"] != "clock"]


def test_a_machine_that_was_installed_by_the_guide_is_well(installed: Installed) -> None:
    messages, mails, keys = len(installed.slack.messages), len(installed.mail.messages), installed.s3.keys()
    found = findings(installed)
    # By the guide a heartbeat URL and links are a choice; DEFAULT_FROM_EMAIL is not set here.
    bad = [each for each in found if each["result"] != "ok" and "Mails are from" not in each["text"]]
    assert bad == []
    texts = {each["name"]: each["text"] for each in found}
    assert texts["journal"].startswith("journald://proppy: an entry was written, and read back after ")
    assert texts["text-journal"].startswith("journald://: an entry was written, and read back after ")
    assert "process_raw (process " in texts["workers"]
    assert "a message was scheduled, and deleted again" in texts["channel:SLACK"]
    assert "an object was written, read and deleted" in texts["bodies"]
    assert (len(installed.slack.messages), len(installed.mail.messages)) == (messages, mails)
    assert installed.slack.scheduled == set()
    assert set(installed.s3.keys()) <= set(keys)


def test_a_worker_that_was_stopped_is_named(installed: Installed) -> None:
    installed.run("systemctl", "stop", "proppy-process-raw.service")
    try:
        found = findings(installed, "workers")
    finally:
        installed.run("systemctl", "start", "proppy-process-raw.service")
    assert any("No process_raw runs" in each["text"] and "Start it" in each["advice"] for each in found)


def test_what_was_logged_of_a_payload_is_found_by_its_receipt(installed: Installed) -> None:
    key = uuid.uuid4().hex
    code = f"from notifications import keep; print(keep('welcome', b'no JSON', key={key!r}))"
    receipt = installed.shell(code).strip().splitlines()[-1]

    def entries() -> list[dict[str, Any]]:
        words = ("journalctl", "--no-pager", "--output=json", f"PROPPY_RECEIPT={receipt}")
        return [json.loads(line) for line in installed.run(*words).splitlines()]

    wait_for(entries, timeout=60, message="what process_raw says of it")
    installed.shell(
        f"from notifications.models import RawPayload; RawPayload.objects.filter(receipt='{receipt}').delete()"
    )
    entry = entries()[0]
    assert entry["_SYSTEMD_UNIT"] == "proppy-process-raw.service"
    assert entry["SYSLOG_IDENTIFIER"] == "proppy-process-raw"
    assert (entry["PROPPY_SOURCE"], entry["PROPPY_RELEASE"]) == ("welcome", installed.release)


def test_a_journal_that_was_stopped_says_how_it_is_started(installed: Installed) -> None:
    installed.run("systemctl", "stop", JOURNAL.replace(".service", ".socket"), JOURNAL)
    try:
        (finding,) = findings(installed, "journal")
    finally:
        installed.run("systemctl", "start", JOURNAL, "proppy.target")  # which needs it, and has ended with it
        installed.wait_until_active(*SERVICES)
    assert finding["result"] == "FAILED"
    assert "systemctl" in finding["advice"]
    assert "systemd-journald@proppy" in finding["advice"]
    (finding,) = findings(installed, "journal")
    assert finding["result"] == "ok"
