"""HEARTBEAT_URL is requested each minute while nothing is critical: a real server, which misbehaves too."""

import socket
from typing import Any

import pytest

from notifications.operations import heartbeat_url
from notifications.operations.heartbeat_url import INTERVAL, NOTHING_TO_DO, STALE, HeartbeatUrl
from tests.support.tell import Clock
from tests.support.webhook import Receiver, response

SECRET = "geheim-ping-key"


@pytest.fixture
def chore(settings: Any, receiver: Receiver) -> HeartbeatUrl:
    """All is well."""
    settings.NOTIFICATIONS_HEARTBEAT_URL = f"http://127.0.0.1:{receiver.port}/ping/{SECRET}?from=shop1"
    chore = HeartbeatUrl()
    chore.seen(is_critical=False)
    return chore


def test_each_minute(chore: HeartbeatUrl, receiver: Receiver) -> None:
    assert chore() == INTERVAL == 60.0
    assert chore() == INTERVAL
    assert [(each.method, each.path) for each in receiver.requests] == [("GET", f"/ping/{SECRET}?from=shop1")] * 2


def test_not_while_something_is_critical(chore: HeartbeatUrl, receiver: Receiver) -> None:
    chore.seen(is_critical=True)
    assert chore() == NOTHING_TO_DO
    assert receiver.requests == []
    chore.seen(is_critical=False)
    assert chore() == INTERVAL
    assert len(receiver.requests) == 1


def test_not_before_there_is_a_verdict(settings: Any, receiver: Receiver) -> None:
    settings.NOTIFICATIONS_HEARTBEAT_URL = receiver.url
    assert HeartbeatUrl()() == NOTHING_TO_DO
    assert receiver.requests == []


def test_not_by_a_verdict_that_is_old(chore: HeartbeatUrl, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch fails: whatever it found last says nothing."""
    clock = Clock()
    monkeypatch.setattr(heartbeat_url, "time", clock)
    chore.seen(is_critical=False)
    clock.now += STALE + 1
    assert chore() == NOTHING_TO_DO
    assert receiver.requests == []


def test_nothing_is_requested_unless_it_is_set(settings: Any, receiver: Receiver) -> None:
    settings.NOTIFICATIONS_HEARTBEAT_URL = ""
    chore = HeartbeatUrl()
    chore.seen(is_critical=False)
    assert chore() == NOTHING_TO_DO


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(404, SECRET), "127.0.0.1 answered 404"),
        (response(302, Location="http://127.0.0.1:1/"), "127.0.0.1 answered 302"),
        (response(503), "127.0.0.1 answered 503"),
        (b"geheim-ping-key is no HTTP\r\n\r\n", "127.0.0.1 does not speak HTTP (BadStatusLine)"),
        ("reset", "127.0.0.1 cannot be reached: "),
        ("silence", "127.0.0.1 did not answer within 0.3 s"),
    ],
)
def test_a_server_that_fails_is_tried_again_and_the_secret_is_in_no_log(
    chore: HeartbeatUrl,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    said: str,
) -> None:
    monkeypatch.setattr(heartbeat_url, "LONGEST", 0.3)
    receiver.answers(answer)
    assert 0 < chore() < INTERVAL
    assert f"NOTIFICATIONS_HEARTBEAT_URL: {said}" in caplog.text
    assert SECRET not in caplog.text
    assert chore() == INTERVAL


def test_a_server_that_is_away(chore: HeartbeatUrl, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    settings.NOTIFICATIONS_HEARTBEAT_URL = f"http://127.0.0.1:{port}/{SECRET}"
    assert chore() < INTERVAL
    assert "127.0.0.1 cannot be reached: " in caplog.text
    assert SECRET not in caplog.text
