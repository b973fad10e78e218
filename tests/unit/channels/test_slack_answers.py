"""Each refusal of Slack, over real HTTP: tried again, or with what to do about it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from notifications.channels import Unavailable, Undeliverable
from notifications.channels.slack import Slack
from notifications.channels.slack.answers import ABOUT_WEBHOOKS, LIMITED, OWN_FAULT, PASSING, WHAT_TO_DO
from notifications.events.event import Event
from tests.support.slack import Answer, FakeSlack, Plain, RateLimited

EVENT: Final = Event("SLACK", "Ada signed up", datetime(2026, 5, 1, tzinfo=UTC))
#: What docs.slack.dev lists.
PERMANENT: Final = [
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "no_text",
    "msg_too_long",
    "invalid_blocks",
    "token_revoked",
    "token_expired",
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "missing_scope",
    "restricted_action",
    "no_permission",
    "ekm_access_denied",
    "team_access_not_granted",
]
#: docs.slack.dev, "Sending messages using incoming webhooks": status and text.
WEBHOOK: Final = [
    (400, "invalid_payload"),
    (400, "no_text"),
    (400, "user_not_found"),
    (403, "action_prohibited"),
    (403, "invalid_token"),
    (403, "posting_to_general_channel_denied"),
    (404, "channel_not_found"),
    (404, "no_active_hooks"),
    (404, "no_service"),
    (404, "no_team"),
    (410, "channel_is_archived"),
]

Refusal = Unavailable | Undeliverable


def refusal(channel: Slack) -> Refusal:
    with pytest.raises((Unavailable, Undeliverable)) as caught:
        channel.deliver([EVENT])
    assert isinstance(caught.value, (Unavailable, Undeliverable))
    return caught.value


@pytest.fixture
def bot(slack: FakeSlack) -> Callable[..., Refusal]:
    """What a bot makes of an answer."""

    def refused(answer: Answer, name: str = "SLACK", **options: Any) -> Refusal:
        slack.answers(answer)
        return refusal(Slack(name, token=slack.token, api_url=slack.url, **options))

    return refused


@pytest.fixture
def webhook(slack: FakeSlack) -> Callable[..., Refusal]:
    """What a webhook makes of an answer."""

    def refused(answer: Answer, name: str = "SLACK") -> Refusal:
        slack.answers(answer)
        return refusal(Slack(name, webhook_url=slack.webhook_url))

    return refused


@pytest.mark.parametrize("code", sorted({*PERMANENT, *WHAT_TO_DO}))
def test_a_bot_is_told_what_to_do(bot: Callable[..., Refusal], code: str) -> None:
    error = bot({"ok": False, "error": code}, channel="#ops")
    assert isinstance(error, Undeliverable)
    name, _, advice = str(error).partition(": ")
    assert name == code
    assert advice == OWN_FAULT or any(word in advice for word in ("#ops", "SLACK_TOKEN", "admin", "emit()", "sign-in"))
    assert not set("{}\n") & set(advice)


@pytest.mark.parametrize(("status", "code"), WEBHOOK + [(400, code) for code in sorted(ABOUT_WEBHOOKS)])
def test_a_webhook_is_told_what_to_do(webhook: Callable[..., Refusal], status: int, code: str) -> None:
    error = webhook(Plain(status, f"{code}\n"))
    assert isinstance(error, Undeliverable)
    name, _, advice = str(error).partition(": ")
    assert name == code
    assert advice == OWN_FAULT or "SLACK_WEBHOOK_URL" in advice or "emit()" in advice
    assert not set("{}\n") & set(advice)


def test_advice_names_the_channel_and_what_to_type(bot: Callable[..., Refusal]) -> None:
    error = bot({"ok": False, "error": "not_in_channel"})
    assert "type /invite @ and the name of the Slack app in #proppy" in str(error)


def test_advice_for_another_channel_names_its_options(
    bot: Callable[..., Refusal], webhook: Callable[..., Refusal]
) -> None:
    places = [
        (bot({"ok": False, "error": "is_archived"}, "OPS"), '"channel" of OPS in NOTIFICATIONS_CHANNELS'),
        (bot({"ok": False, "error": "invalid_auth"}, "OPS"), '"token" of OPS in NOTIFICATIONS_CHANNELS'),
        (webhook(Plain(404, "no_service"), "OPS"), '"webhook_url" of OPS in NOTIFICATIONS_CHANNELS'),
    ]
    assert [str(error) for error, place in places if place not in str(error)] == []


@pytest.mark.parametrize(
    ("needed", "told"),
    [
        ("chat:write", "add chat:write,"),
        ("chat:write.public", "add chat:write.public,"),
        ("channels:read,groups:read", "add channels:read,groups:read,"),
        ("<script>", "add chat:write,"),
        ("chat:write\n\x1b[31m", "add chat:write,"),
        ("x" * 1000, "add chat:write,"),
        (7, "add chat:write,"),
        (None, "add chat:write,"),
    ],
)
def test_a_missing_scope_is_named(bot: Callable[..., Refusal], needed: Any, told: str) -> None:
    error = bot({"ok": False, "error": "missing_scope", "needed": needed, "provided": "users:read"})
    assert isinstance(error, Undeliverable)
    assert told in str(error)


@pytest.mark.parametrize(("answer", "status"), [({"ok": False, "error": "something_new"}, 200), (Plain(400, "new"), 0)])
def test_an_unknown_error_says_where_to_look(
    bot: Callable[..., Refusal], webhook: Callable[..., Refusal], answer: Any, status: int
) -> None:
    error = bot(answer) if status else webhook(answer)
    assert isinstance(error, Undeliverable)
    assert "documentation" in str(error)


@pytest.mark.parametrize("way", ["bot", "webhook"])
@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_retry_after(request: pytest.FixtureRequest, way: str, seconds: int) -> None:
    error = request.getfixturevalue(way)(RateLimited(seconds))
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize("way", ["bot", "webhook"])
@pytest.mark.parametrize("answer", [429, Plain(429, "rate_limited"), {"ok": False, "error": "ratelimited"}])
def test_no_retry_after(request: pytest.FixtureRequest, way: str, answer: Any) -> None:
    error = request.getfixturevalue(way)(answer)
    assert isinstance(error, Unavailable)
    if way == "bot" or answer != {"ok": False, "error": "ratelimited"}:  # which no webhook says
        assert error.retry_after == 1


@pytest.mark.parametrize("way", ["bot", "webhook"])
@pytest.mark.parametrize("answer", [500, 502, 503, 504, 404, 403, "html", "reset", "lost", Plain(500, "rollup_error")])
def test_what_passes(slack: FakeSlack, request: pytest.FixtureRequest, way: str, answer: Any) -> None:
    error = request.getfixturevalue(way)(answer)
    assert isinstance(error, Unavailable)
    assert error.retry_after is None
    assert len(slack.requests) == 1, "slack_sdk must not try again by itself"


@pytest.mark.parametrize("answer", [{}, {"ok": False}, {"ok": False, "error": None}, {"ok": False, "error": "A b"}])
def test_answers_without_a_reason_pass(bot: Callable[..., Refusal], answer: Any) -> None:
    assert isinstance(bot(answer), Unavailable)


@pytest.mark.parametrize("code", sorted(PASSING | LIMITED))
def test_errors_that_pass(bot: Callable[..., Refusal], webhook: Callable[..., Refusal], code: str) -> None:
    assert isinstance(bot({"ok": False, "error": code}), Unavailable)
    assert isinstance(webhook(Plain(400, code)), Unavailable)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("body", ["ok", "", "OK", "accepted", '{"ok": true}', '{"success":true}', "{", "[]", "ok <3"])
def test_what_a_webhook_took_is_not_posted_again(slack: FakeSlack, status: int, body: str) -> None:
    slack.answers(Plain(status, body))
    Slack("SLACK", webhook_url=slack.webhook_url).deliver([EVENT])
    assert len(slack.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 202])
def test_what_a_bot_posted_is_not_posted_again(slack: FakeSlack, status: int) -> None:
    slack.answers(Plain(status, '{"ok": true}'))
    Slack("SLACK", token=slack.token, api_url=slack.url).deliver([EVENT])
    assert len(slack.requests) == 1


@pytest.mark.parametrize("body", ["<html>ok</html>", "\n<!doctype html><title>Sign in to the network</title>"])
def test_a_page_is_no_answer_of_slack(webhook: Callable[..., Refusal], body: str) -> None:
    error = webhook(Plain(200, body))
    assert isinstance(error, Unavailable)
    assert "is its address right" in str(error)


@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize("body", ["no_service", '{"ok": false, "error": "no_service"}'])
def test_a_refusal_is_one_whatever_its_status_and_form(webhook: Callable[..., Refusal], status: int, body: str) -> None:
    error = webhook(Plain(status, body))
    assert isinstance(error, Undeliverable)
    assert str(error).startswith("no_service: ")


@pytest.mark.parametrize("way", ["bot", "webhook"])
@pytest.mark.parametrize("body", ["", "<html>", "authenticate", "Proxy Authentication Required", '{"error": "auth"}'])
def test_what_a_proxy_answers_passes(request: pytest.FixtureRequest, way: str, body: str) -> None:
    error = request.getfixturevalue(way)(Plain(407, body))
    assert isinstance(error, Unavailable)
    assert "HTTPS_PROXY" in str(error)


@pytest.mark.parametrize("way", ["bot", "webhook"])
@pytest.mark.parametrize("status", [408, 425])
def test_a_server_that_wants_it_again_gets_it_again(request: pytest.FixtureRequest, way: str, status: int) -> None:
    assert isinstance(request.getfixturevalue(way)(Plain(status, "too_early")), Unavailable)
