"""Slack and webhooks over real HTTP, each broken in its ways: every answer names what to do."""

from collections.abc import Callable
from typing import Any

import pytest

from notifications.channels.slack import bot_or_webhook
from notifications.doctor import Finding
from notifications.doctor import examine as running
from tests.support.ports import free_port
from tests.support.slack import FakeSlack, Plain
from tests.support.webhook import Receiver, response

Examine = Callable[[str], tuple[list[Finding], int]]
SLACK = "channel:SLACK"


@pytest.fixture
def of_bot(settings: Any, slack: FakeSlack, examine: Examine) -> Callable[..., tuple[list[Finding], int]]:
    def run(**options: str) -> tuple[list[Finding], int]:
        entry = {"class": "notifications.channels.slack.Slack", "token": slack.token, "api_url": slack.url}
        settings.NOTIFICATIONS_CHANNELS = {"SLACK": entry | options}
        return examine(SLACK)

    return run


def test_a_bot_that_may_post_leaves_no_message(of_bot: Any, slack: FakeSlack) -> None:
    findings, status = of_bot(channel="#ops")
    assert [each.text for each in findings] == [
        "the token is that of proppybot in Shop",
        "it may post to #ops: a message was scheduled, and deleted again",
    ]
    assert status == 0
    assert (slack.messages, slack.scheduled) == ([], set())


def test_a_wrong_token(of_bot: Any) -> None:
    (finding,), status = of_bot(token="xoxb-wrong")
    assert (finding.text, status) == ("refused: invalid_auth", 2)
    assert "copy its Bot User OAuth Token to SLACK_TOKEN" in finding.advice


def test_a_missing_scope(of_bot: Any, slack: FakeSlack) -> None:
    slack.scopes = "users:read"
    findings, status = of_bot()
    assert (findings[-1].text, status) == ("it lacks the scope chat:write: it may not post", 2)
    assert "Bot Token Scopes, add chat:write, reinstall" in findings[-1].advice
    assert not any("schedule" in request.path for request in slack.requests)


def test_a_scope_for_the_looks_alone_is_a_warning_unless_there_are_none(of_bot: Any, slack: FakeSlack) -> None:
    slack.scopes = "chat:write"
    findings, status = of_bot()
    assert (findings[1].text, status) == ("it lacks the scope chat:write.customize: name and icon are not shown", 1)
    assert "add chat:write.customize, reinstall" in findings[1].advice
    assert of_bot(username="", icon="")[1] == 0


def test_a_channel_that_is_not_there(of_bot: Any, slack: FakeSlack) -> None:
    slack.channels = {"#ops"}
    findings, status = of_bot(channel="#opps")
    assert (findings[-1].text, status) == ("refused: channel_not_found", 2)
    assert "mend SLACK_CHANNEL" in findings[-1].advice


def test_a_server_that_names_no_scopes_and_takes_nothing_back(of_bot: Any, slack: FakeSlack) -> None:
    slack.scopes = None
    good = {"ok": True, "team": "Shop", "user": "bot"}
    slack.answers(
        good, {"ok": True, "channel": "C1", "scheduled_message_id": "Q1"}, {"ok": False, "error": "bad_token"}
    )
    findings, status = of_bot(channel="#ops")
    assert [each.result for each in findings] == ["ok", "unknown", "FAILED"]
    assert findings[1].advice == "The next line says whether they suffice."
    assert "cannot be deleted: bad_token" in findings[-1].text
    assert "delete it in Slack then" in findings[-1].advice
    assert status == 2


@pytest.mark.parametrize("answer", ["reset", "html", 503])
def test_a_slack_that_is_away(of_bot: Any, slack: FakeSlack, answer: Any) -> None:
    slack.answers(answer)
    (finding,), status = of_bot()
    assert finding.text.startswith("Slack ")
    assert "firewall" in finding.advice
    assert status == 2


def test_a_slack_that_hangs(of_bot: Any, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LONGEST", 0.3)
    monkeypatch.setattr(bot_or_webhook, "TIMEOUT", 0.5)
    slack.answers("timeout")
    (finding,), status = of_bot()
    assert (finding.text, status) == ("no answer within 0.3 s", 2)
    assert finding.advice.startswith("Is its address right, and does it run? A firewall")


def test_no_token_and_no_webhook(of_bot: Any) -> None:
    (finding,), status = of_bot(token="")
    assert finding.advice == "Set SLACK_WEBHOOK_URL or SLACK_TOKEN (docs/slack.md)."
    assert status == 1


def test_a_webhook_of_slack_refuses_only_what_has_no_text(of_bot: Any, slack: FakeSlack) -> None:
    (finding,), status = of_bot(token="", webhook_url=slack.webhook_url)
    assert (status, slack.messages) == (0, [])
    assert "only for that" in finding.text


def test_a_webhook_of_slack_that_was_removed(of_bot: Any, slack: FakeSlack) -> None:
    slack.answers(Plain(404, "no_service"))
    (finding,), status = of_bot(token="", webhook_url=slack.webhook_url)
    assert (finding.text, status) == ("refused: no_service", 2)
    assert "copy its address to SLACK_WEBHOOK_URL" in finding.advice
    assert slack.webhook_path not in finding.text + finding.advice


@pytest.fixture
def of_webhook(settings: Any, receiver: Receiver, examine: Examine) -> Callable[..., tuple[Finding, int]]:
    def run(**options: str) -> tuple[Finding, int]:
        entry = {"class": "notifications.channels.webhook.Webhook", "url": receiver.url, "secret": receiver.secret}
        settings.NOTIFICATIONS_CHANNELS = {"OPS": entry | options}
        (finding,), status = examine("channel:OPS")
        return finding, status

    return run


def test_a_webhook_is_asked_and_gets_no_event(of_webhook: Any, receiver: Receiver) -> None:
    finding, status = of_webhook()
    assert finding.text == "127.0.0.1 answers 204 to HEAD; whether it accepts our signature only an event shows"
    assert [request.method for request in receiver.requests] == ["HEAD"]
    assert status == 0


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        (404, 1, "Mend WEBHOOK_URL"),
        (301, 1, "Mend WEBHOOK_URL"),
        (502, 1, "See the receiver's log."),
        (405, 0, ""),
        (501, 0, ""),
        (403, 0, ""),
    ],
)
def test_what_a_webhook_answers_to_a_question(
    of_webhook: Any, receiver: Receiver, code: int, status: int, advice: str
) -> None:
    receiver.answers(response(code))
    finding, ended = of_webhook()
    assert f"answers {code} to HEAD" in finding.text
    assert ended == status
    assert finding.advice.partition(",")[0] == advice


def test_a_webhook_that_is_away(of_webhook: Any) -> None:
    finding, status = of_webhook(url=f"http://127.0.0.1:{free_port()}/geheim")
    assert finding.text.startswith("127.0.0.1 cannot be reached: ")
    assert finding.advice.startswith("Is its address right, does it run, and does a firewall or proxy")
    assert "geheim" not in finding.text + finding.advice
    assert status == 2


def test_a_channel_that_cannot_be_made(of_webhook: Any) -> None:
    finding, status = of_webhook(url="no address")
    assert finding.text.startswith("it cannot be made: WEBHOOK_URL")
    assert finding.advice.startswith("Fix its entry in NOTIFICATIONS_CHANNELS")
    assert status == 2


def test_a_channel_without_a_neighbour(settings: Any, examine: Examine) -> None:
    settings.NOTIFICATIONS_CHANNELS = {"REPORT": {"class": "notifications.channels.report.Report"}}
    (finding,), status = examine("channel")
    assert (finding.text, status) == ("Report has no neighbour to ask", 0)
