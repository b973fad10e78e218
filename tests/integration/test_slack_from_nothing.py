"""The way to a first message of docs/slack.md, with real processes; and where a mistake shows."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.child import BASE_DIR
from tests.support.processes import Site
from tests.support.reading import Reading
from tests.support.slack import FakeSlack, Plain
from tests.support.wait import wait_for

PAGE = (BASE_DIR / "docs" / "slack.md").read_text()


def command() -> list[str]:
    """The arguments of manage.py with which the page sends a first message."""
    (line,) = re.findall(r"manage\.py (shell -c .*)", PAGE)
    return shlex.split(line)


@pytest.mark.parametrize("way", ["env", pytest.param("webhook_env", marks=pytest.mark.slow)])
def test_the_first_message(site: Site, slack: FakeSlack, way: str) -> None:
    site.env |= getattr(slack, way)
    site.migrate()
    site.start("follow_journal")
    site.manage(*command())
    wait_for(lambda: [message["text"] for message in slack.messages] == ["Hello from proppy"])


def test_without_slack_it_is_printed(site: Site) -> None:
    site.migrate()
    site.start("follow_journal")
    site.manage(*command())
    wait_for(lambda: "no SLACK_WEBHOOK_URL) → #proppy: Hello from proppy" in site.log("follow_journal"))


def test_a_mistake_is_a_failed_delivery_and_no_secret(site: Site, slack: FakeSlack, tmp_path: Path) -> None:
    """The address comes from a file, as systemd hands over credentials."""
    address = tmp_path / "address"
    address.write_text(slack.webhook_url + "\n")
    site.env["SLACK_WEBHOOK_URL_FILE"] = str(address)
    slack.answers("reset", Plain(404, "no_service"))
    site.migrate()
    site.start("follow_journal")
    site.manage(*command())
    reading = Reading(site)
    wait_for(lambda: reading.rows("SELECT reason FROM notifications_faileddelivery"))
    ((reason,),) = reading.rows("SELECT reason FROM notifications_faileddelivery")
    assert "no_service" in reason
    assert "SLACK_WEBHOOK_URL" in reason
    assert slack.webhook_path not in reason + site.log("follow_journal")


def test_both_ways_at_once_are_refused(site: Site, slack: FakeSlack) -> None:
    site.env |= slack.env | slack.webhook_env
    with pytest.raises(AssertionError, match="SLACK_TOKEN and SLACK_WEBHOOK_URL are both set") as refused:
        site.manage("check")
    assert slack.webhook_path not in str(refused.value)
    assert slack.token not in str(refused.value)
