"""What is forwarded is believed from trusted proxies only."""

from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from notifications.proxies import TrustedProxies, client_address

HTTPS = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}


def seen_by_the_site(peer: str | None, *proxies: str) -> HttpRequest:
    """The request as the next middleware gets it."""
    seen: list[HttpRequest] = []

    def site(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse("ok")

    request = RequestFactory().get("/", **HTTPS)  # type: ignore[arg-type]  # the stubs know headers only
    if peer is None:
        del request.META["REMOTE_ADDR"]
    else:
        request.META["REMOTE_ADDR"] = peer
    with override_settings(
        NOTIFICATIONS_TRUSTED_PROXIES=proxies, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")
    ):
        assert TrustedProxies(site)(request).content == b"ok"
        seen[0].is_secure_there = seen[0].is_secure()  # type: ignore[attr-defined]
    return seen[0]


PROXIES = ("10.0.0.0/8", "::1", "fd00::/8")


@pytest.mark.parametrize("peer", ["10.1.2.3", "::1", "fd00::7", "::ffff:10.1.2.3", "", None])
def test_a_trusted_proxy_is_believed(peer: str | None) -> None:
    request = seen_by_the_site(peer, *PROXIES)
    assert request.META.items() >= HTTPS.items()
    assert request.is_secure_there  # type: ignore[attr-defined]


@pytest.mark.parametrize("peer", ["203.0.113.1", "11.0.0.1", "::2", "::ffff:11.0.0.1", "unix:", "10.1.2.3:80"])
def test_nobody_else_is_believed(peer: str) -> None:
    request = seen_by_the_site(peer, *PROXIES)
    assert "HTTP_X_FORWARDED_PROTO" not in request.META
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=PROXIES):
        assert client_address(request.META) == peer
    assert not request.is_secure_there  # type: ignore[attr-defined]


def test_without_proxies_the_middleware_is_left_out() -> None:
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=()), pytest.raises(MiddlewareNotUsed):
        TrustedProxies(lambda request: HttpResponse())


def test_it_comes_before_all_other_middleware() -> None:
    assert site_settings.MIDDLEWARE[0] == "notifications.proxies.TrustedProxies"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "invented, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.5, 10.0.0.7", "203.0.113.5"),
        ("10.0.0.1", "10.0.0.2,10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "1.1.1.1, unknown", "unknown"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:db9::1", "2001:db9::1"),
        ("203.0.113.1", "203.0.113.9", "203.0.113.1"),
        ("", "203.0.113.9", "203.0.113.9"),
        ("", "", ""),
        ("10.0.0.1", " , ", "10.0.0.1"),
    ],
)
def test_the_client_is_who_the_last_trusted_proxy_names(peer: str, forwarded: str, client: str) -> None:
    meta: dict[str, Any] = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=PROXIES):
        assert client_address(meta) == client
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=()):
        assert client_address(meta) == peer
