"""The Slack channel over real HTTP, against a server that misbehaves."""

import http.server
import logging
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from django.core.checks import CheckMessage
from django.test import override_settings

from notifications.channels import Unavailable, Undeliverable
from notifications.channels.slack import Slack, bot_or_webhook
from notifications.checks.settings import check_channels
from notifications.events.event import Event
from notifications.http.retry_after import LONGEST
from notifications.utils.limited_sockets import LARGEST_ANSWER, limited_context
from tests.support.slack import FakeSlack, Plain, RateLimited

CUSTOMIZE: Final = {"ok": False, "error": "missing_scope", "needed": "chat:write.customize", "provided": "chat:write"}


def event(text: str = "Ada signed up", **changes: Any) -> Event:
    return Event("SLACK", text, datetime(2026, 5, 1, tzinfo=UTC), **changes)


def bot(server: FakeSlack, **options: Any) -> Slack:
    return Slack("SLACK", **{"token": server.token, "api_url": server.url, **options})


def webhook(server: FakeSlack) -> Slack:
    return Slack("SLACK", webhook_url=server.webhook_url)


@pytest.fixture(params=[bot, webhook])
def channel(request: pytest.FixtureRequest, slack: FakeSlack) -> Slack:
    made: Slack = request.param(slack)
    return made


def problems(name: str = "SLACK", **options: str) -> list[CheckMessage]:
    """What the checks say of a channel with these options."""
    entry = {"class": "notifications.channels.slack.Slack", **options}
    with override_settings(NOTIFICATIONS_CHANNELS={name: entry}):
        return list(check_channels())


def texts(server: FakeSlack) -> list[str]:
    return [message["text"] for message in server.messages]


def test_a_message_of_a_bot(slack: FakeSlack) -> None:
    bot(slack, channel="#ops", username="ada", icon=":tada:").deliver([event()])
    (told,) = slack.messages
    assert (told["channel"], told["username"], told["icon_emoji"]) == ("#ops", "ada", ":tada:")
    assert told["text"] == "Ada signed up"
    (request,) = slack.requests
    assert request.headers["authorization"] == f"Bearer {slack.token}"
    assert {request.fields[name] for name in ("link_names", "unfurl_links", "unfurl_media")} <= {False, "0", "false"}


def test_a_message_of_a_webhook(slack: FakeSlack) -> None:
    webhook(slack).deliver([event()])
    (request,) = slack.requests
    assert request.path == slack.webhook_path
    assert request.fields == {"text": "Ada signed up", "unfurl_links": False, "unfurl_media": False}
    assert "authorization" not in request.headers


def test_text_is_made_harmless(channel: Slack, slack: FakeSlack) -> None:
    channel.deliver([event("<!channel>\n\ud800\u202e", author_known=False)])
    assert texts(slack) == ["(unknown author) &lt;!channel&gt;"]


@pytest.mark.parametrize("ending", ["/", ""])
def test_the_address_may_end_with_a_slash(slack: FakeSlack, ending: str) -> None:
    bot(slack, api_url=slack.url.rstrip("/") + ending).deliver([event()])
    assert [request.path for request in slack.requests] == ["/api/chat.postMessage"]


@pytest.mark.parametrize("secret", ["{}\n", "  {}\r\n"])
def test_a_secret_from_a_file_ends_with_a_newline(slack: FakeSlack, secret: str) -> None:
    bot(slack, token=secret.format(slack.token)).deliver([event()])
    Slack("SLACK", webhook_url=secret.format(slack.webhook_url)).deliver([event()])
    assert len(slack.messages) == 2


@pytest.mark.parametrize("text", ["", " \n", "\0\u202e"])
def test_an_empty_text(slack: FakeSlack, channel: Slack, text: str) -> None:
    with pytest.raises(Undeliverable, match="no_text: the event has no text"):
        channel.deliver([event(text)])
    assert slack.requests == []


def test_a_wrong_token(slack: FakeSlack) -> None:
    with pytest.raises(Undeliverable, match="invalid_auth: the token is wrong"):
        bot(slack, token="xoxb-other").deliver([event()])


def test_a_wrong_webhook(slack: FakeSlack) -> None:
    with pytest.raises(Undeliverable, match="invalid_token: the address is wrong"):
        Slack("SLACK", webhook_url=slack.webhook_url + "Z").deliver([event()])


# A name and an icon are worth less than a message


def test_without_the_scope_for_name_and_icon_it_posts_without_them(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    slack.answers(CUSTOMIZE)
    sender = bot(slack)
    sender.deliver([event("one")])
    sender.deliver([event("two")])
    assert texts(slack) == ["one", "two"]
    assert [(message["username"], message["icon_emoji"]) for message in slack.messages] == [(None, None)] * 2
    assert len(slack.requests) == 3
    (record,) = caplog.records
    assert "chat:write.customize" in record.getMessage()


def test_without_it_for_good_it_gives_up(slack: FakeSlack) -> None:
    slack.answers(CUSTOMIZE, CUSTOMIZE)
    with pytest.raises(Undeliverable, match=r"add chat:write\.customize"):
        bot(slack).deliver([event()])


def test_the_second_try_may_fail_for_a_while(slack: FakeSlack) -> None:
    slack.answers(CUSTOMIZE, RateLimited(30))
    sender = bot(slack)
    with pytest.raises(Unavailable) as caught:
        sender.deliver([event()])
    assert caught.value.retry_after == 30
    sender.deliver([event()])
    assert len(slack.messages) == 1


# Slack that cannot be reached


def test_a_timeout(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_or_webhook, "TIMEOUT", 0.2)
    for sender in (bot(slack), webhook(slack)):
        slack.answers("timeout")
        with pytest.raises(Unavailable, match="cannot be reached: timed out"):
            sender.deliver([event()])


def test_nobody_listens() -> None:
    with FakeSlack() as gone:
        senders = [bot(gone), webhook(gone)]
    for sender in senders:
        with pytest.raises(Unavailable, match="cannot be reached"):
            sender.deliver([event()])


@contextmanager
def answering(body: bytes, status: int = 200, **headers: str) -> Iterator[str]:
    """A server that says the same to everybody; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/"
        finally:
            server.shutdown()
            thread.join()


def answered(body: bytes, status: int = 200, *, webhook: bool = True, **headers: str) -> list[Unavailable]:
    """What a bot makes of it, and a webhook."""
    raised = []
    with answering(body, status, **headers) as address:
        senders = [Slack("S", token="xoxb-1", api_url=address), Slack("S", webhook_url=address + "T0/B0/x")]
        for sender in senders if webhook else senders[:1]:
            with pytest.raises(Unavailable) as caught:
                sender.deliver([event()])
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 300
            raised.append(caught.value)
    return raised


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[1]", b'"ok"', b"7", b"null", b"true", b"\xff\xfe", b"{", b'{"ok": []}', b"[" * 100_000],
    ids=repr,
)
def test_answers_that_make_no_sense(body: bytes) -> None:
    answered(body, webhook=False)  # to a webhook Slack may say what it likes


@pytest.mark.parametrize("type_", ["text/html; charset=klingon", "text/html; charset=" + "x" * 1000])
def test_an_answer_in_no_known_character_set(type_: str) -> None:
    answered(b"{}", Content_Type=type_)


@pytest.mark.parametrize("length", [10, 10**18, 10**30])
def test_an_answer_that_is_shorter_than_it_says(length: int) -> None:
    answered(b"{}", Content_Length=str(length))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("1.5", 1.5),
        ("-5", 1),
        ("nan", 1),
        ("inf", 1),
        ("1e999", 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 +0000", LONGEST),
        ("999999999", LONGEST),
        ("", 1),
    ],
)
def test_any_retry_after(header: str, seconds: float) -> None:
    raised = answered(b'{"ok": false, "error": "ratelimited"}', 429, Retry_After=header)
    assert [error.retry_after for error in raised] == [seconds, seconds]


# The time limit, over TLS as Slack itself


@pytest.fixture
def tls_slack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeSlack]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setattr(bot_or_webhook, "TIMEOUT", 1)
    limited_context.cache_clear()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FakeSlack(context) as server:
        yield server
    limited_context.cache_clear()


def test_messages_over_tls(tls_slack: FakeSlack) -> None:
    for sender in (bot(tls_slack), webhook(tls_slack)):
        sender.deliver([event()])
        sender.deliver([event()])
    assert len(tls_slack.messages) == 4


@pytest.mark.parametrize(
    ("answer", "why"), [("drip", "takes too long|timed out"), ("endless", "too large"), ("timeout", "timed out")]
)
@pytest.mark.parametrize("way", [bot, webhook])
def test_an_answer_has_an_end(tls_slack: FakeSlack, way: Any, answer: Any, why: str) -> None:
    sender = way(tls_slack)
    tls_slack.answers(answer)
    with pytest.raises(Unavailable, match=why):
        sender.deliver([event()])
    sender.deliver([event("next")])
    assert texts(tls_slack) == ["next"]


def test_an_answer_may_repeat_the_longest_message(tls_slack: FakeSlack) -> None:
    tls_slack.answers({"ok": True, "message": {"text": "x" * (LARGEST_ANSWER // 2)}})
    bot(tls_slack).deliver([event()])
    assert len(tls_slack.messages) == 1


def test_a_stranger_is_not_believed(tls_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    limited_context.cache_clear()
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        webhook(tls_slack).deliver([event()])
    assert tls_slack.requests == []


# The options


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SLACK", ["SLACK_TOKEN", "SLACK_WEBHOOK_URL"]),
        ("OPS", ['"token" of OPS', '"webhook_url" of OPS']),
    ],
)
def test_a_token_and_a_webhook_are_one_too_many(name: str, told: list[str]) -> None:
    (problem,) = problems(name, token="xoxb-secret", webhook_url="https://hooks.slack.com/services/T/B/secret")
    assert problem.id == "notifications.E008"
    assert all(setting in problem.msg for setting in told)
    assert "secret" not in problem.msg


@pytest.mark.parametrize(
    "address",
    [
        "secret",
        "hooks.slack.com/services/T/B/secret",
        "http://hooks.slack.com/services/T/B/secret",
        "ftp://hooks.slack.com/services/T/B/secret",
        "https:///services/T/B/secret",
        "https://hooks.slack.com:secret/services",
        "https://[hooks.slack.com/secret",
        "https://user:secret@hooks.slack.com/services",
        "https://hooks.slack.com/services/T/B/secret x",
        "https://hooks.slack.com/services/T/B/secret\nx",
        "https://hooks.slack.com/services/T/B/secret\0",
        "https://hooks.slack.com/services/T/B/secret€",
        "xoxb-secret",
    ],
)
def test_a_webhook_address_that_is_none(address: str) -> None:
    (problem,) = problems(webhook_url=address)
    assert "SLACK_WEBHOOK_URL is no https:// address" in problem.msg
    with pytest.raises(ValueError, match="no https:// address") as caught:
        Slack("SLACK", webhook_url=address)
    assert "secret" not in problem.msg + "".join(traceback.format_exception(caught.value)).replace("test_", "")


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://chat.example.org:8443/hooks/x",
        "http://[::1]:8000/services/x",
    ],
)
def test_a_webhook_address(address: str) -> None:
    assert problems(webhook_url=address) == []


@pytest.mark.parametrize(
    "address",
    ["slack.example.org", "file:///etc/passwd", "http://", "http://[", "https://a b/", "http://slack.example.org/api/"],
)
def test_an_api_address_that_is_none(address: str) -> None:
    (problem,) = problems(token="xoxb-1", api_url=address)
    assert "SLACK_API_URL is no https:// address" in problem.msg


@pytest.mark.parametrize(
    "channel",
    [
        *("", " ", "#", "#Ops", "OPS", "ops team", "#ops.team", "#ops,#dev", "@ada", "ada@example.org", "#" + "x" * 81),
        *("https://hooks.slack.com/services/T/B/secret", "C01234é789", "ÉQUIPE", "#ops\nx", "##ops"),
    ],
)
@pytest.mark.parametrize("token", ["xoxb-1", ""])
def test_a_channel_that_is_none(channel: str, token: str) -> None:
    (problem,) = problems(token=token, channel=channel)
    assert problem.id == "notifications.E008"
    assert problem.msg.startswith("Channel 'SLACK': SLACK_CHANNEL is ")
    assert '"#ops"' in problem.msg
    assert "secret" not in problem.msg
    (problem,) = problems("OPS", token=token, channel=channel)
    assert '"channel" of OPS in NOTIFICATIONS_CHANNELS' in problem.msg


@pytest.mark.parametrize(
    "channel",
    ["#proppy", "ops", "#ops-1_a", "#équipe", "#開発", "#" + "x" * 80, "C0123456789", "G01234567", "U0123ABCD45"],
)
def test_a_channel(channel: str) -> None:
    assert problems(token="xoxb-1", channel=channel) == []


@pytest.mark.parametrize("username", ["x" * 81, "x" * 200, "a\nb", "a\u202eb"])
def test_a_user_name_that_is_none(username: str) -> None:
    (problem,) = problems(token="xoxb-1", username=username)
    assert "SLACK_USERNAME is no name: write one line of at most 80 characters" in problem.msg


@pytest.mark.parametrize(
    "icon",
    [
        *("ada@example.org", "robot_face", ":robot face:", ":Robot:", "::", ":", "🤖", "file:///a.png"),
        *("http://example.org/a.png", "https://", "https://exa mple.org/a.png", "https://[/a.png"),
    ],
)
def test_an_icon_that_is_none(icon: str) -> None:
    (problem,) = problems(token="xoxb-1", icon=icon)
    assert "SLACK_ICON is no icon: write an emoji's name, such as :robot_face:" in problem.msg


@pytest.mark.parametrize(
    ("icon", "sent"),
    [
        (":robot_face:", {"icon_emoji": ":robot_face:"}),
        (":+1:", {"icon_emoji": ":+1:"}),
        (":wave::skin-tone-3:", {"icon_emoji": ":wave::skin-tone-3:"}),
        ("https://example.org/a.png", {"icon_url": "https://example.org/a.png"}),
        ("", {}),
    ],
)
def test_an_icon(slack: FakeSlack, icon: str, sent: dict[str, str]) -> None:
    bot(slack, icon=icon, username="x" * 80).deliver([event()])
    fields = slack.requests[0].fields
    assert {name: value for name, value in fields.items() if name.startswith("icon")} == sent
    assert fields["username"] == "x" * 80


def test_without_a_name_and_an_icon_it_has_those_of_the_app(slack: FakeSlack) -> None:
    bot(slack, icon="", username=" ").deliver([event()])
    assert not {"username", "icon_emoji", "icon_url"} & slack.requests[0].fields.keys()


def test_a_webhook_has_its_own_looks() -> None:
    address = "https://hooks.slack.com/services/T0/B0/x"
    assert problems(webhook_url=address, channel="", username="x" * 200, icon="ada@example.org") == []


# The secrets


@pytest.mark.parametrize(
    "answer",
    [
        "html",
        "reset",
        500,
        {"ok": False, "error": "invalid_auth"},
        RateLimited(1),
        Plain(404, "no_service"),
        302,
    ],
)
def test_secrets_are_in_no_log_and_no_error(
    slack: FakeSlack, channel: Slack, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    slack.answers(answer)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "slack_sdk"):
        for logger in ("slack_sdk.web.base_client", "slack_sdk.webhook.client"):
            caplog.set_level(logging.DEBUG, logger)
        with pytest.raises((Unavailable, Undeliverable)) as caught:
            channel.deliver([event()])
    said = caplog.text + "".join(traceback.format_exception(caught.value))
    assert slack.token not in said
    assert slack.webhook_path not in said
    assert caplog.text == ""


@pytest.mark.parametrize("token", ["xoxb-sec ret", "xoxb-sec\nret", "xoxb-sec€ret", "xoxb-sec\0ret"])
def test_a_malformed_token_is_in_no_log_and_no_error(
    slack: FakeSlack,
    caplog: pytest.LogCaptureFixture,
    token: str,
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Undeliverable, match="mend SLACK_TOKEN") as caught:
        bot(slack, token=token).deliver([event()])
    assert "xoxb" not in caplog.text + str(caught.value)
    assert slack.requests == []


# The console


@pytest.mark.parametrize("token", ["", " \n"])
def test_without_a_token_the_console_says_so(capsys: pytest.CaptureFixture[str], token: str) -> None:
    Slack("SLACK", token=token, webhook_url=token).deliver([event("Ada <3"), event("Eve", author_known=False)])
    assert capsys.readouterr().out.splitlines() == [
        "SLACK (console: no SLACK_WEBHOOK_URL) → #proppy: Ada <3",
        "SLACK (console: no SLACK_WEBHOOK_URL) → #proppy: (unknown author) Eve",
    ]
