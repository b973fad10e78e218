"""Alerts in a Slack channel of their own, as the environment names it: real processes, and Slack over HTTP."""

from typing import Final

import pytest

from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

HELLO: Final = ("shell", "-c", "from notifications import emit; emit('SLACK', 'Ada signed up')")


@pytest.mark.parametrize("way", ["channel", pytest.param("webhook", marks=pytest.mark.slow)])
def test_alerts_go_to_their_own_channel_and_all_else_does_not(site: Site, slack: FakeSlack, way: str) -> None:
    alerts = {"SLACK_ALERT_CHANNEL": "#alerts"} if way == "channel" else {"SLACK_ALERT_WEBHOOK_URL": slack.webhook_url}
    site.env |= slack.env | alerts
    site.migrate()
    site.start("follow_journal")
    site.manage("proppy_alert", "nginx.service:exit-code:exited:1")
    site.manage("proppy_alert", "proppy-follow-journal.service")  # past the journal
    site.manage(*HELLO)
    wait_for(lambda: len(slack.messages) == 3)
    channel = "#alerts" if way == "channel" else None
    found = sorted((message["text"].split()[1], message["channel"]) for message in slack.messages)
    assert found == [("nginx.service", channel), ("proppy-follow-journal.service", channel), ("signed", "#proppy")]


@pytest.mark.parametrize("way", ["webhook_env", "env"])
def test_a_channel_for_a_webhook_is_refused(site: Site, slack: FakeSlack, way: str) -> None:
    """A webhook posts to its own channel, whatever is named."""
    site.env |= getattr(slack, way) | {"SLACK_ALERT_CHANNEL": "#alerts"}
    if way == "env":
        site.env["SLACK_ALERT_WEBHOOK_URL"] = slack.webhook_url
    with pytest.raises(AssertionError, match="SLACK_ALERT_CHANNEL is for a token") as refused:
        site.manage("check")
    assert "SLACK_ALERT_WEBHOOK_URL" in str(refused.value)
    assert slack.webhook_path not in str(refused.value)


def test_what_is_wrong_with_it_names_the_variable(site: Site, slack: FakeSlack) -> None:
    site.env |= slack.env | {"SLACK_ALERT_CHANNEL": "#alerts"}
    slack.answers({"ok": False, "error": "channel_not_found"})
    with pytest.raises(AssertionError, match="mend SLACK_ALERT_CHANNEL"):
        site.manage("proppy_alert", "proppy-follow-journal.service")
