"""Which hosts are reached through the proxy, and by which of its addresses."""

from typing import Any

import pytest

from notifications.http.https_proxy import proxy_for


@pytest.fixture(autouse=True)
def _proxy(settings: Any) -> None:
    settings.NOTIFICATIONS_HTTPS_PROXY = "http://ada:hidden@proxy.example:3128"


@pytest.mark.parametrize(
    ("host", "entry", "exempt"),
    [
        ("hooks.slack.com", "", False),
        ("hooks.slack.com", "*", True),
        ("hooks.slack.com", "slack.com", True),
        ("hooks.slack.com", ".slack.com", True),
        ("hooks.slack.com", "*.slack.com", True),
        ("hooks.slack.com", "hooks.slack.com", True),
        ("Hooks.Slack.com", " SLACK.com ", True),
        ("hooks.slack.com", "slack.com:443", True),
        ("hooks.slack.com", "slack.com:8443", False),
        ("hooks.slack.com", "ack.com", False),
        ("slack.com", "hooks.slack.com", False),
        ("hooks.slack.com", ".", False),
        ("hooks.slack.com", "10.0.0.0/8", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("10.1.2.3", "2001:db8::/32", False),
        ("2001:db8::7", "2001:db8::/32", True),
        ("2001:db8::7", "[2001:db8::7]", True),
        ("2001:db8::7", "10.0.0.0/8", False),
        ("localhost", "", True),
        ("127.0.0.2", "", True),
        ("::1", "", True),
    ],
)
def test_a_host_of_no_proxy(settings: Any, host: str, entry: str, exempt: bool) -> None:
    settings.NOTIFICATIONS_NO_PROXY = ["intranet.example", entry, ""]
    assert (proxy_for(host, 443) is None) == exempt


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://proxy.example:3128", "proxy.example:3128"),
        ("http://proxy.example:3128/", "proxy.example:3128"),
        ("proxy.example:3128", "proxy.example:3128"),
        (" http://proxy.example ", "proxy.example:80"),
        ("http://[::1]:3128", "::1:3128"),
    ],
)
def test_an_address(settings: Any, url: str, address: str) -> None:
    settings.NOTIFICATIONS_HTTPS_PROXY = url
    assert repr(proxy_for("hooks.slack.com", 443)) == address


def test_without_the_setting_there_is_none(settings: Any) -> None:
    settings.NOTIFICATIONS_HTTPS_PROXY = ""
    assert proxy_for("hooks.slack.com", 443) is None


def test_its_password_is_in_no_text() -> None:
    found = proxy_for("hooks.slack.com", 443)
    assert found is not None
    assert found.sign_in == "Basic YWRhOmhpZGRlbg=="
    assert "hidden" not in f"{found!r} {found}"
    assert "YWRh" not in f"{found!r} {found}"
