"""HTTPS to other people's servers, through the proxy of NOTIFICATIONS_HTTPS_PROXY where there is one.

The proxy opens a tunnel (CONNECT); TLS, and the check of the certificate, are between us and the server. This machine
is never asked for through the proxy, whose own "this machine" is another one.
"""

import base64
import ipaddress
import re
import socket
import time
from contextlib import closing
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from notifications.conf import conf
from notifications.utils.addresses import is_loopback, parse
from notifications.utils.limited_sockets import LimitedSocket, limited, limited_context

URL: Final = re.compile(r"[!-~]+")
WRITE_URL: Final = (
    "NOTIFICATIONS_HTTPS_PROXY: write http://host:port or http://user:password@host:port, with %40 for @ and so on in"
    " a password; other schemes are not supported"
)
SIGN_IN: Final = "write user and password into NOTIFICATIONS_HTTPS_PROXY: http://user:password@host:port"
WRONG_SIGN_IN: Final = "it refuses the user and password of NOTIFICATIONS_HTTPS_PROXY"
#: For a 407 from behind the tunnel, or where we know of no proxy.
PROXY_IN_BETWEEN: Final = "a proxy in between asks for a sign-in: set NOTIFICATIONS_HTTPS_PROXY, or ask who runs it"
ASK: Final = "ask who runs it, or list the host in NOTIFICATIONS_NO_PROXY if it is reached without it"


class ProxyError(OSError):
    """The proxy is away, or opens no tunnel. `str()` names it, and says what to do."""


class Proxy(NamedTuple):
    """Where the proxy is. `sign_in` is the value of Proxy-Authorization, or ""."""

    host: str
    port: int
    sign_in: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"{self.host}:{self.port}"


class Connection(HTTPSConnection):
    """A connection to a host that others may have: direct, or through the proxy. Its sockets are limited ones."""

    def __init__(self, host: str, port: int | None = None, *, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=limited_context())
        self._seconds = timeout

    def connect(self) -> None:
        """Raises ProxyError, and OSError as usual."""
        proxy = proxy_for(self.host, self.port)
        if proxy is None:
            super().connect()
        else:
            tunnel = _tunnel(proxy, self.host, self.port, self._seconds)
            self.sock = limited_context().wrap_socket(tunnel, server_hostname=self.host)


def proxy_for(host: str, port: int) -> Proxy | None:
    """The proxy to reach a host by, or None. Raises ValueError, without a password, if the setting is wrong."""
    host = host.lower()
    if not conf.https_proxy or host == "localhost" or is_loopback(host):
        return None
    if any(_is_exempt(host, port, entry.strip().lower()) for entry in conf.no_proxy):
        return None
    return _parsed(conf.https_proxy.strip())


def _is_exempt(host: str, port: int, entry: str) -> bool:
    """Whether an entry of NO_PROXY names it: *, a domain with all below it, an address or a network; perhaps a port."""
    if entry.count(":") == 1:
        entry, _, wanted = entry.partition(":")
        if wanted != str(port):
            return False
    try:
        return parse(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        domain = entry.removeprefix("*").removeprefix(".")
        return entry == "*" or (bool(domain) and f".{host}".endswith(f".{domain}"))


def _parsed(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", 80 if parts.port is None else parts.port
    except ValueError:
        raise ValueError(WRITE_URL) from None
    if parts.scheme != "http" or not host or not port or not URL.fullmatch(url) or parts.path not in {"", "/"}:
        raise ValueError(WRITE_URL)
    if parts.username is None:
        return Proxy(host, port, "")
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, f"Basic {base64.b64encode(user.encode()).decode()}")


def _tunnel(proxy: Proxy, host: str, port: int, timeout: float) -> LimitedSocket:
    """A tunnel to the host. Connecting, and the proxy's whole answer, take `timeout` seconds each."""
    name = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}", "User-Agent: proppy"]
    lines += [f"Proxy-Authorization: {proxy.sign_in}"] if proxy.sign_in else []
    try:
        sock = socket.create_connection((proxy.host, proxy.port), timeout)
    except OSError as error:
        raise ProxyError(f"the proxy {proxy!r} cannot be reached: {error}") from error
    tunnel = limited(sock, time.monotonic() + timeout)
    try:
        tunnel.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        status = _status(tunnel)
    except (OSError, HTTPException) as error:  # the latter's text quotes the answer
        tunnel.close()
        why = "it does not speak HTTP" if isinstance(error, HTTPException) else str(error)
        raise ProxyError(f"the proxy {proxy!r} opens no tunnel to {name}:{port}: {why}") from None
    if 200 <= status < 300:
        return tunnel
    tunnel.close()
    advice = (WRONG_SIGN_IN if proxy.sign_in else SIGN_IN) if status == 407 else ASK
    raise ProxyError(f"the proxy {proxy!r} answered {status} for {name}:{port}: {advice}")


def _status(tunnel: LimitedSocket) -> int:
    with closing(HTTPResponse(tunnel, method="CONNECT")) as answer:
        answer.begin()
        return answer.status
