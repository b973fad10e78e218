"""The Slack channel over real HTTP, against a server that misbehaves."""

import http.server
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import Unavailable, Undeliverable
from notifications.channels import slack as module
from notifications.channels.slack import LONGEST, WHAT_TO_DO, Slack, message
from notifications.events import Event
from tests.support.slack import FakeSlack, RateLimited
from tests.support.tell import patient

#: FACTS.md
PERMANENT: Final = [
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "no_text",
    "msg_too_long",
    "invalid_blocks",
    "token_revoked",
    "invalid_auth",
    "missing_scope",
    "restricted_action",
]
PASSING: Final = ["ratelimited", "fatal_error", "internal_error"]


def event(text: str = "Ada signed up", **changes: Any) -> Event:
    return Event("SLACK", text, datetime(2026, 5, 1, tzinfo=UTC), **changes)


def channel(server: FakeSlack, **options: Any) -> Slack:
    return Slack("SLACK", **{"token": server.token, "api_url": server.url, **options})


def refusal(server: FakeSlack, *answers: Any) -> Unavailable | Undeliverable:
    server.answers(*answers)
    with pytest.raises((Unavailable, Undeliverable)) as caught:
        channel(server).deliver([event()])
    assert isinstance(caught.value, (Unavailable, Undeliverable))
    return caught.value


def test_a_message(slack: FakeSlack) -> None:
    channel(slack, channel="#ops", username="ada", icon=":tada:").deliver([event()])
    (told,) = slack.messages
    assert (told["channel"], told["username"], told["icon_emoji"]) == ("#ops", "ada", ":tada:")
    assert told["text"] == "Ada signed up"
    (request,) = slack.requests
    assert request.headers["authorization"] == f"Bearer {slack.token}"
    assert {request.fields["unfurl_links"], request.fields["unfurl_media"]} <= {False, "0", "false"}


@pytest.mark.parametrize("ending", ["/", ""])
def test_the_address_may_end_with_a_slash(slack: FakeSlack, ending: str) -> None:
    channel(slack, api_url=slack.url.rstrip("/") + ending).deliver([event()])
    assert [request.path for request in slack.requests] == ["/api/chat.postMessage"]


@pytest.mark.parametrize("token", ["{}\n", "  {}\r\n"])
def test_a_token_from_a_file_ends_with_a_newline(slack: FakeSlack, token: str) -> None:
    channel(slack, token=token.format(slack.token)).deliver([event()])
    assert len(slack.messages) == 1


# The text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("<https://evil.example|your bank>", "&lt;https://evil.example|your bank&gt;"),
        ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
        ("a & b", "a &amp; b"),
        ("a\nb\0é😀", "a\nb\0é😀"),
        ("\ud800", "?"),
    ],
)
def test_text_is_escaped(slack: FakeSlack, text: str, told: str) -> None:
    channel(slack).deliver([event(text)])
    assert [each["text"] for each in slack.messages] == [told]


def test_unknown_authors_are_marked(slack: FakeSlack) -> None:
    channel(slack).deliver([event("<!channel>", author_known=False)])
    assert [each["text"] for each in slack.messages] == ["(unknown author) &lt;!channel&gt;"]


@pytest.mark.parametrize("offset", range(6))
@pytest.mark.parametrize("character", ["x", "é", "&", "<"])
def test_long_text_is_cut_where_no_escape_is(character: str, offset: int) -> None:
    text = message(event("." * offset + character * 60_000))
    escaped = {"&": "&amp;", "<": "&lt;"}.get(character, character)
    kept = text.removesuffix(" […]").lstrip(".")
    assert kept == escaped * (len(kept) // len(escaped))
    assert LONGEST - 10 < len(text) <= LONGEST + 4


@patient
@given(st.text(st.sampled_from("&<>;amp!x\n\ud800")))
def test_no_text_has_markup(text: str) -> None:
    told = message(event(text))
    assert "<" not in told
    assert ">" not in told
    unescaped = told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped == text.replace("\ud800", "?")


# What Slack answers


@pytest.mark.parametrize("code", PERMANENT)
def test_permanent_errors_say_what_to_do(slack: FakeSlack, code: str) -> None:
    error = refusal(slack, {"ok": False, "error": code})
    assert isinstance(error, Undeliverable)
    name, _, advice = str(error).partition(": ")
    assert name == code
    assert len(advice) > 10
    assert "{" not in advice


def test_advice_names_the_channel_and_the_bot(slack: FakeSlack) -> None:
    assert "type /invite @proppybot in #proppy" in str(refusal(slack, {"ok": False, "error": "not_in_channel"}))


@pytest.mark.parametrize("code", WHAT_TO_DO)
def test_advice_is_complete(code: str) -> None:
    assert WHAT_TO_DO[code].format(channel="#proppy", username="proppybot")


def test_a_wrong_token(slack: FakeSlack) -> None:
    with pytest.raises(Undeliverable, match="invalid_auth: the token is wrong"):
        channel(slack, token="xoxb-other").deliver([event()])


def test_an_empty_text(slack: FakeSlack) -> None:
    with pytest.raises(Undeliverable, match="no_text"):
        channel(slack).deliver([event("")])


def test_an_unknown_error_says_where_to_look(slack: FakeSlack) -> None:
    error = refusal(slack, {"ok": False, "error": "something_new"})
    assert isinstance(error, Undeliverable)
    assert "api.slack.com" in str(error)


@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_retry_after(slack: FakeSlack, seconds: int) -> None:
    error = refusal(slack, RateLimited(seconds))
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "answer", [500, 502, 503, 404, 403, "html", "reset", "lost", {}, {"ok": False}, {"ok": False, "error": None}]
)
def test_what_passes(slack: FakeSlack, answer: Any) -> None:
    error = refusal(slack, answer)
    assert isinstance(error, Unavailable)
    assert error.retry_after is None
    assert len(slack.requests) == 1, "slack_sdk must not try again by itself"


@pytest.mark.parametrize("code", PASSING)
def test_errors_that_pass(slack: FakeSlack, code: str) -> None:
    assert isinstance(refusal(slack, {"ok": False, "error": code}), Unavailable)


def test_a_timeout(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    assert isinstance(refusal(slack, "timeout"), Unavailable)


def test_nobody_listens() -> None:
    with FakeSlack() as gone:
        address = gone.url
    with pytest.raises(Unavailable, match="cannot be reached"):
        Slack("SLACK", token="xoxb-1", api_url=address).deliver([event()])


@pytest.mark.parametrize("address", ["nonsense", "file:///etc/passwd", "http://", "http://[", "http://a b/"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(Unavailable):
        Slack("SLACK", token="xoxb-1", api_url=address).deliver([event()])


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


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[1]", b'"ok"', b"7", b"null", b"true", b"\xff\xfe", b"{", b'{"ok": []}']
)
def test_answers_that_make_no_sense(body: bytes) -> None:
    with answering(body) as address, pytest.raises(Unavailable):
        Slack("SLACK", token="xoxb-1", api_url=address).deliver([event()])


def test_an_answer_in_no_known_character_set() -> None:
    with answering(b"{}", Content_Type="text/html; charset=klingon") as address, pytest.raises(Unavailable):
        Slack("SLACK", token="xoxb-1", api_url=address).deliver([event()])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("1.5", 1.5),
        ("-5", 0),
        ("nan", 1),
        ("inf", 1),
        ("1e999", 1),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1),
        ("", 1),
    ],
)
def test_any_retry_after(header: str, seconds: float) -> None:
    body = b'{"ok": false, "error": "ratelimited"}'
    with answering(body, 429, Retry_After=header) as address, pytest.raises(Unavailable) as caught:
        Slack("SLACK", token="xoxb-1", api_url=address).deliver([event()])
    assert caught.value.retry_after == seconds


# The token


@pytest.mark.parametrize("answer", ["html", "reset", 500, {"ok": False, "error": "invalid_auth"}, RateLimited(1)])
def test_the_token_is_in_no_log_and_no_error(slack: FakeSlack, caplog: pytest.LogCaptureFixture, answer: Any) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("slack_sdk.web.base_client").setLevel(logging.DEBUG)
        error = refusal(slack, answer)
        logging.getLogger("slack_sdk.web.base_client").setLevel(logging.NOTSET)
    assert slack.token not in caplog.text + str(error)


@pytest.mark.parametrize("token", ["xoxb-sec ret", "xoxb-sec\nret", "xoxb-sec€ret", "xoxb-sec\0ret"])
def test_a_malformed_token_is_in_no_log_and_no_error(
    slack: FakeSlack,
    caplog: pytest.LogCaptureFixture,
    token: str,
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Undeliverable, match="mend SLACK_TOKEN") as caught:
        channel(slack, token=token).deliver([event()])
    assert "xoxb" not in caplog.text + str(caught.value)
    assert slack.requests == []


# The console


@pytest.mark.parametrize("token", ["", " \n"])
def test_without_a_token_the_console_says_so(capsys: pytest.CaptureFixture[str], token: str) -> None:
    Slack("SLACK", token=token).deliver([event("Ada <3"), event("Eve", author_known=False)])
    assert capsys.readouterr().out.splitlines() == [
        "SLACK (console: no SLACK_TOKEN) → #proppy: Ada <3",
        "SLACK (console: no SLACK_TOKEN) → #proppy: (unknown author) Eve",
    ]


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "\u202egnp", "\0", "\ud800"])
def test_control_characters_do_nothing_on_the_console(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Slack("SLACK").deliver([event(text)])
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1
    assert printed.removesuffix("\n").isprintable()
    assert "\N{REPLACEMENT CHARACTER}" in printed
