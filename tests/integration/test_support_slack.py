"""FakeSlack, checked with the real slack_sdk."""

from contextlib import suppress
from itertools import pairwise
from threading import Thread

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.support.slack import FakeSlack
from tests.support.wait import wait_for


def client(slack: FakeSlack, timeout: int = 30) -> WebClient:
    return WebClient(token=slack.token, base_url=slack.url, timeout=timeout, retry_handlers=[])


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
