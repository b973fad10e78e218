"""FakeSlack, checked with the real slack_sdk."""

import time
from threading import Thread
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.support.slack import FakeSlack, RateLimited
from tests.support.visitor import Visitor
from tests.support.wait import wait_for


def client(slack: FakeSlack, timeout: int = 30) -> WebClient:
    return WebClient(token=slack.token, base_url=slack.url, timeout=timeout, retry_handlers=[])


def test_takes_a_message(slack: FakeSlack) -> None:
    answer = client(slack).chat_postMessage(
        channel="#proppy", text="Ada <3", username="proppybot", icon_emoji=":robot_face:"
    )
    (message,) = slack.messages
    assert answer["ok"] is True
    assert answer["ts"] == message["ts"]
    assert message | {"ts": "", "received": 0} == {
        "channel": "#proppy",
        "text": "Ada <3",
        "username": "proppybot",
        "icon_emoji": ":robot_face:",
        "ts": "",
        "received": 0,
    }
    assert message["received"] <= time.monotonic()


def test_takes_a_form(slack: FakeSlack) -> None:
    headers = {"Authorization": f"Bearer {slack.token}"}
    visitor = Visitor(slack.url)
    visitor.post("chat.postMessage", b"channel=c&text=a%26b", headers)
    assert [message["text"] for message in slack.messages] == ["a&b"]


@pytest.mark.parametrize("status", [500, 503])
def test_scripted_answers_are_used_once(slack: FakeSlack, status: int) -> None:
    slack.answers(status)
    with pytest.raises(SlackApiError) as caught:
        client(slack).chat_postMessage(channel="c", text="one")
    assert caught.value.response.status_code == status
    client(slack).chat_postMessage(channel="c", text="two")
    assert [message["text"] for message in slack.messages] == ["two"]
    assert [request.fields["text"] for request in slack.requests] == ["one", "two"]


def test_rate_limit(slack: FakeSlack) -> None:
    slack.answers(RateLimited(7))
    with pytest.raises(SlackApiError) as caught:
        client(slack).chat_postMessage(channel="c", text="t")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"


def test_errors_that_slack_names(slack: FakeSlack) -> None:
    slack.answers({"ok": False, "error": "channel_not_found"})
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client(slack).chat_postMessage(channel="c", text="t")
    assert slack.messages == []


def test_wrong_token(slack: FakeSlack) -> None:
    with pytest.raises(SlackApiError, match="invalid_auth"):
        WebClient(token="xoxb-other", base_url=slack.url).chat_postMessage(channel="c", text="t")


def test_timeout_holds_the_connection(slack: FakeSlack) -> None:
    slack.answers("timeout")
    with pytest.raises(TimeoutError):
        client(slack, timeout=1).chat_postMessage(channel="c", text="t")
    assert len(slack.requests) == 1
    assert slack.messages == []


def test_release_hangs_up(slack: FakeSlack) -> None:
    slack.answers("timeout")
    caught: list[Exception] = []

    def post() -> None:
        try:
            client(slack).chat_postMessage(channel="c", text="t")
        except OSError as error:
            caught.append(error)

    poster = Thread(target=post)
    poster.start()
    wait_for(lambda: slack.requests)
    slack.release()
    poster.join()
    assert len(caught) == 1


@pytest.mark.parametrize(("word", "accepted"), [("reset", 0), ("lost", 1)])
def test_broken_connection(slack: FakeSlack, word: str, accepted: int) -> None:
    slack.answers("reset" if word == "reset" else "lost")
    with pytest.raises((ConnectionResetError, URLError)):
        client(slack).chat_postMessage(channel="c", text="t")
    assert len(slack.messages) == accepted


def test_html_is_no_json(slack: FakeSlack) -> None:
    slack.answers("html")
    with pytest.raises(SlackApiError):
        client(slack).chat_postMessage(channel="c", text="t")
