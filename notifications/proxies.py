"""Trusts X-Forwarded-For and X-Forwarded-Proto from TRUSTED_PROXIES only."""

import ipaddress
from collections.abc import Callable, Mapping, MutableMapping
from functools import cache, lru_cache
from typing import Any

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest

from notifications.conf import conf
from notifications.utils import addresses
from notifications.utils.sync_and_async import BothWays


class TrustedProxies(BothWays):
    """Middleware; must be first. Removes X-Forwarded-Proto of untrusted peers.

    Without TRUSTED_PROXIES the header is never used, and Django skips this middleware. X-Forwarded-For stays:
    `client_address()` checks the peer itself.
    """

    def __init__(self, get_response: Callable[..., Any]) -> None:
        if not conf.trusted_proxies:
            raise MiddlewareNotUsed
        super().__init__(get_response)

    def __call__(self, request: HttpRequest) -> Any:
        distrust(request.META)
        return self.get_response(request)


def distrust(meta: MutableMapping[str, Any]) -> None:
    """Remove X-Forwarded-Proto of an untrusted peer. Without TRUSTED_PROXIES nothing is removed."""
    proxies = conf.trusted_proxies
    if proxies and not _is_trusted(meta.get("REMOTE_ADDR", ""), proxies):
        meta.pop("HTTP_X_FORWARDED_PROTO", None)


def client_address(meta: Mapping[str, Any]) -> str:
    """The client's address: the peer's, or what trusted proxies report in X-Forwarded-For. "" for a Unix socket."""
    peer: str = meta.get("REMOTE_ADDR", "")
    proxies = conf.trusted_proxies
    if not proxies:
        return peer
    hops = [hop.strip() for hop in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    while hops and _is_trusted(peer, proxies):
        peer = hops.pop()
    return peer


@lru_cache(maxsize=1024)
def _is_trusted(address: str, proxies: tuple[str, ...]) -> bool:
    """Whether it is one of the proxies. A peer on a Unix socket has no address: it counts as one if there are any."""
    if not address:
        return bool(proxies)
    try:
        parsed = addresses.parse(address)
    except ValueError:
        return False
    return any(parsed in network for network in _networks(proxies))


@cache
def _networks(proxies: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
