"""All channels reach others through the proxy of one setting, whatever the environment says."""

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import trustme

from notifications.channels import Channel, Unavailable
from notifications.channels.slack import Slack
from notifications.channels.webhook import Webhook
from notifications.checks.settings import check_channels
from notifications.events.event import Event
from notifications.operations.alert_post import Post
from tests.support.connect_proxy import ConnectProxy
from tests.support.ports import free_port
from tests.support.slack import FakeSlack
from tests.support.webhook import Receiver

#: Only the proxy knows where it is.
HOST: Final = "others.invalid"
EVENT: Final = Event("SLACK", "Ada signed up", datetime(2026, 5, 1, tzinfo=UTC), {}, "9f86d081884c7d65:3")
PROXIES: Final = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


#: A server of others, what counts its requests, and a channel to it.
Other = tuple[int, list[Any], Callable[[], Channel]]


def bot(tls: ssl.SSLContext) -> Any:
    @contextmanager
    def serving() -> Iterator[Other]:
        with FakeSlack(tls) as slack:
            port = urlsplit(slack.url).port or 0
            options = {"token": slack.token, "api_url": f"https://{HOST}:{port}/api/"}
            yield port, slack.messages, lambda: Slack("SLACK", **options)

    return serving()


def incoming_webhook(tls: ssl.SSLContext) -> Any:
    @contextmanager
    def serving() -> Iterator[Other]:
        with FakeSlack(tls) as slack:
            port = urlsplit(slack.url).port or 0
            url = f"https://{HOST}:{port}{slack.webhook_path}"
            yield port, slack.messages, lambda: Slack("SLACK", webhook_url=url)

    return serving()


def webhook(tls: ssl.SSLContext) -> Any:
    @contextmanager
    def serving() -> Iterator[Other]:
        with Receiver(tls) as receiver:
            url = f"https://{HOST}:{receiver.port}/hook"
            options: dict[str, Any] = {"url": url, "secret": receiver.secret, "timeout": 2.0}
            yield receiver.port, receiver.requests, lambda: Webhook("WEBHOOK", **options)

    return serving()


@pytest.fixture(params=[bot, incoming_webhook, webhook])
def other(request: pytest.FixtureRequest, authority: trustme.CA, _trusted: None) -> Iterator[Other]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with request.param(context) as serving:
        yield serving


@pytest.fixture
def routed(proxy: ConnectProxy, other: Other, settings: Any) -> ConnectProxy:
    """The proxy of the settings, with a way to the other server."""
    proxy.routes[f"{HOST}:{other[0]}"] = other[0]
    settings.NOTIFICATIONS_HTTPS_PROXY = proxy.url
    return proxy


def refusal(other: Other) -> str:
    with pytest.raises(Unavailable) as caught:
        other[2]().deliver([EVENT])
    assert other[1] == []
    return str(caught.value)


def test_a_message_takes_the_way_of_the_setting(routed: ConnectProxy, other: Other) -> None:
    port, arrived, make = other
    channel = make()
    channel.deliver([EVENT])
    channel.deliver([EVENT])
    assert len(arrived) == 2
    assert [request.line for request in routed.requests] == [f"CONNECT {HOST}:{port} HTTP/1.1"] * 2
    assert "authorization" not in routed.requests[0].headers


def test_an_alert_takes_it_too(routed: ConnectProxy, other: Other) -> None:
    post = Post(other[2](), EVENT)
    assert post.poll() is None
    assert post.problem == ""
    assert len(other[1]) == len(routed.requests) == 1


def test_the_environment_is_not_asked(
    routed: ConnectProxy, other: Other, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")
    other[2]().deliver([EVENT])
    assert len(routed.requests) == 1
    for name in PROXIES:
        monkeypatch.setenv(name, routed.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    settings.NOTIFICATIONS_HTTPS_PROXY = ""
    with pytest.raises(Unavailable):  # nobody but the proxy knows the host
        other[2]().deliver([EVENT])
    assert len(routed.requests) == 1


def test_a_host_of_no_proxy_is_reached_without(routed: ConnectProxy, other: Other, settings: Any) -> None:
    settings.NOTIFICATIONS_NO_PROXY = ["other.invalid", f".{HOST.upper()}:{other[0]}"]
    refusal(other)
    assert routed.requests == []


def test_a_proxy_that_asks_for_a_sign_in(routed: ConnectProxy, other: Other, settings: Any) -> None:
    routed.sign_in = f"Basic {base64.b64encode('ada:p@ss é'.encode()).decode()}"
    said = refusal(other)
    assert f"the proxy {routed.address} answered 407" in said
    assert "write user and password into NOTIFICATIONS_HTTPS_PROXY" in said
    settings.NOTIFICATIONS_HTTPS_PROXY = f"http://ada:hidden@{routed.address}"
    said = refusal(other)
    assert "it refuses the user and password of NOTIFICATIONS_HTTPS_PROXY" in said
    assert "hidden" not in said
    settings.NOTIFICATIONS_HTTPS_PROXY = f"http://ada:p%40ss%20%C3%A9@{routed.address}/"
    other[2]().deliver([EVENT])
    assert len(other[1]) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n<html>blocked</html>", "answered 403 for others.invalid"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "answered 502 for others.invalid"),
        (b"", "does not speak HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "EOF|reset|Broken pipe"),
    ],
    ids=["403", "502", "nothing", "ssh", "endless headers", "a tunnel to nowhere"],
)
def test_a_proxy_that_opens_no_tunnel_is_an_outage(routed: ConnectProxy, other: Other, answer: bytes, why: str) -> None:
    routed.answer = answer
    with pytest.raises(Unavailable, match=why):
        other[2]().deliver([EVENT])
    routed.answer = None
    other[2]().deliver([EVENT])
    assert len(other[1]) == 1


def test_a_proxy_that_is_away_is_named(other: Other, settings: Any) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings.NOTIFICATIONS_HTTPS_PROXY = address
    assert f"the proxy {address} cannot be reached" in refusal(other)


def test_a_proxy_that_says_nothing_is_not_waited_for(
    routed: ConnectProxy, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.channels.slack.bot_or_webhook.TIMEOUT", 1)
    routed.answer = "silence"
    assert f"the proxy {routed.address} opens no tunnel" in refusal(other)


@pytest.mark.usefixtures("_trusted")
def test_a_proxy_cannot_pass_for_the_receiver(proxy: ConnectProxy, authority: trustme.CA, settings: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("proxy.example").configure_cert(context)
    settings.NOTIFICATIONS_HTTPS_PROXY = proxy.url
    with Receiver(context) as receiver:
        proxy.routes[f"{HOST}:443"] = receiver.port
        with pytest.raises(Unavailable, match="not valid for"):
            Webhook("WEBHOOK", url=f"https://{HOST}/", secret=receiver.secret).deliver([EVENT])
    assert receiver.requests == []


def test_this_machine_is_never_asked_for_through_the_proxy(
    proxy: ConnectProxy, slack: FakeSlack, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFICATIONS_HTTPS_PROXY = proxy.url
    Slack("SLACK", token=slack.token, api_url=slack.url).deliver([EVENT])
    Slack("SLACK", webhook_url=slack.webhook_url).deliver([EVENT])
    Webhook("WEBHOOK", url=receiver.url, secret=receiver.secret).deliver([EVENT])
    assert (len(slack.messages), len(receiver.requests), proxy.requests) == (2, 1, [])


@pytest.mark.parametrize(
    "url",
    [
        "https://hidden@proxy:3128",
        "socks5://hidden:1080",
        "http://",
        "http://hidden:port",
        "http://[hidden",
        "http://hidden:0",
    ],
)
def test_the_check_names_an_address_that_is_none(settings: Any, url: str) -> None:
    slack, webhook = "notifications.channels.slack.Slack", "notifications.channels.webhook.Webhook"
    settings.NOTIFICATIONS_HTTPS_PROXY = url
    settings.NOTIFICATIONS_CHANNELS = {
        "SLACK": {"class": slack, "token": "xoxb-1"},
        "OPS": {"class": slack, "webhook_url": "https://hooks.slack.com/services/T0/B0/x"},
        "WEBHOOK": {"class": webhook, "url": "https://example.org/", "secret": Receiver.secret},
        "CONSOLE": {"class": slack},
    }
    problems = check_channels()
    assert [message.msg.partition(":")[0] for message in problems] == [
        f"Channel {n!r}" for n in ("SLACK", "OPS", "WEBHOOK")
    ]
    assert all("NOTIFICATIONS_HTTPS_PROXY: write http://host:port" in message.msg for message in problems)
    assert "hidden" not in "".join(message.msg for message in problems)
