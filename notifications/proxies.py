"""Whose X-Forwarded-For and X-Forwarded-Proto are believed: those of TRUSTED_PROXIES, and of nobody else."""

import ipaddress
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase

from notifications import addresses
from notifications.conf import conf


class TrustedProxies:
    """Middleware, the first: removes X-Forwarded-Proto of peers that are no trusted proxy.

    Without TRUSTED_PROXIES nothing believes that header, and Django leaves the middleware out. X-Forwarded-For may
    stay: `client_address()` looks at the peer itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not conf.trusted_proxies:
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not _is_trusted(request.META.get("REMOTE_ADDR", ""), conf.trusted_proxies):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        return self._get_response(request)


def client_address(meta: Mapping[str, Any]) -> str:
    """The address of the client: the peer, or what a trusted proxy says of it in X-Forwarded-For."""
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
    """Whether it is one of the proxies. A peer on a Unix socket has no address; it is one where any is."""
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
