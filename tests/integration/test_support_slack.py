"""FakeSlack, checked with the real slack_sdk."""

import time
from contextlib import suppress
from itertools import pairwise
from threading import Thread
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.support.slack import FakeSlack, Plain, RateLimited
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


def test_takes_a_message_by_webhook(slack: FakeSlack) -> None:
    answer = WebhookClient(slack.webhook_url).send(text="Ada <3")
    assert (answer.status_code, answer.body) == (200, "ok")
    assert [message["text"] for message in slack.messages] == ["Ada <3"]


@pytest.mark.parametrize(
    ("path", "text", "status", "said"),
    [("/services/T000/B000/YYYY", "a", 403, "invalid_token"), ("/services/T000/B000/XXXX", "", 400, "no_text")],
)
def test_refuses_by_webhook(slack: FakeSlack, path: str, text: str, status: int, said: str) -> None:
    answer = WebhookClient(slack.webhook_url.replace(slack.webhook_path, path)).send(text=text)
    assert (answer.status_code, answer.body) == (status, said)
    assert slack.messages == []


def test_scripted_answers_of_a_webhook(slack: FakeSlack) -> None:
    slack.answers(Plain(404, "no_service"))
    answer = WebhookClient(slack.webhook_url).send(text="a")
    assert (answer.status_code, answer.body) == (404, "no_service")


def test_a_limit_for_each_channel(slack: FakeSlack) -> None:
    slack.limit_per_second = 1
    post = client(slack).chat_postMessage
    post(channel="a", text="1")
    post(channel="b", text="1")
    assert WebhookClient(slack.webhook_url).send(text="1").status_code == 200
    with pytest.raises(SlackApiError) as caught:
        post(channel="a", text="2")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
    limited = WebhookClient(slack.webhook_url).send(text="2")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1")
    assert [message["text"] for message in slack.messages] == ["1", "1", "1"]


def test_the_limit_lets_the_next_one_pass_in_time(slack: FakeSlack) -> None:
    slack.limit_per_second = 20
    post = client(slack).chat_postMessage

    def posted() -> bool:
        with suppress(SlackApiError):
            post(channel="a", text="t")
        return len(slack.messages) == 4

    wait_for(posted)
    times = [message["received"] for message in slack.messages]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.95 / 20
