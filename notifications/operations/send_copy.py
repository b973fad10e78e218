"""Sends stored requests once more, to a developer's machine. This data leaves our machines: it sends the minimum."""

import re
import socket
import string
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from notifications.bodies.storage import BodyDamaged
from notifications.conf import conf
from notifications.http.headers import TOKEN, is_credential, is_of_a_connection, is_signature
from notifications.http.signatures import SCHEMES, headers_of
from notifications.models import RawPayload
from notifications.utils.addresses import is_loopback
from notifications.utils.clean_text import one_line
from notifications.utils.limited_sockets import limited, limited_context

#: Seconds for one request, from connecting to the answer's headers.
TIMEOUT: Final = 10.0
URL: Final = re.compile(r"[!-~]+")
CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class AddressRefused(ValueError):
    """Nothing is sent to this address."""


class Target(NamedTuple):
    """A checked address: `addresses` are what the name was resolved to, once, and all that is ever connected to."""

    scheme: str
    host: str
    netloc: str
    path: str
    query: str
    addresses: tuple[tuple[int, Any], ...]


def target_of(url: str, *, allowed: Sequence[str] = ()) -> Target:
    """Resolve and check an address: this machine, or a host that is named in `allowed`. Raises AddressRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressRefused(f"{url!r} is not an address: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or not URL.fullmatch(url) or "\\" in url or parts.fragment:
        raise AddressRefused(f"{url!r} is not an address: write http://127.0.0.1:8000/in/SOURCE/")
    if "@" in parts.netloc:
        raise AddressRefused("leave user and password out of the address")
    try:
        found = socket.getaddrinfo(host, port or (443 if parts.scheme == "https" else 80), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{host} is not known here: {error}") from error
    addresses = tuple((int(family), address) for family, _, _, _, address in found)
    if host.lower() not in {name.lower().strip("[]") for name in allowed}:
        for _, address in addresses:
            if not is_loopback(str(address[0])):
                raise AddressRefused(
                    f"{host} is {address[0]}, not this machine: --allow-host {host} if it may have customers' data"
                )
    return Target(parts.scheme, host, parts.netloc, parts.path or "/", parts.query, addresses)


def send(payload: RawPayload, target: Target, *, signatures: bool = False, keys: bool = False) -> str:
    """POST a payload's body to the target; gives the status it answered, or why there is none. Follows no redirect."""
    try:
        body = payload.body
        headers = copied_headers(payload, signatures=signatures, keys=keys)
        with _connected(target) as connection:
            connection.putrequest("POST", _path(target, payload.query), skip_host=True, skip_accept_encoding=True)
            for name, value in (*headers.items(), ("host", target.netloc), ("content-length", str(len(body)))):
                connection.putheader(name, _encoded(value))
            connection.putheader("connection", "close")
            with suppress(BrokenPipeError, ConnectionResetError):  # it has read enough to answer
                connection.endheaders(body)
            with connection.getresponse() as response:
                return one_line(f"{response.status} {response.reason}")[:200]
    except TimeoutError:
        return f"no answer within {TIMEOUT:g} s"
    except (OSError, HTTPException, BodyDamaged) as error:
        return one_line(f"{type(error).__name__}: {error}")[:200]


def copied_headers(payload: RawPayload, *, signatures: bool, keys: bool) -> dict[str, str]:
    """The stored headers that a copy has, by lower-case name."""
    source = conf.source(payload.source)
    signed = frozenset[str]().union(*map(headers_of, SCHEMES))
    secret = {source.key_header.lower()}
    copied = {}
    for name, value in (payload.headers | {"content-type": payload.content_type}).items():
        if not TOKEN.fullmatch(name) or CONTROL.search(value) or (is_of_a_connection(name) and name != "content-type"):
            continue
        if name in signed or is_signature(name):
            wanted = signatures
        else:
            wanted = keys or not (name in secret or "idempoten" in name or is_credential(name))
        if wanted and value:
            copied[name] = value
    return copied


def _path(target: Target, query: str) -> str:
    """The path of the target, with the stored query after its own. What no request line may have is escaped."""
    stored = quote(query, safe=string.punctuation.replace("#", ""), errors="replace")
    whole = "&".join(filter(None, (target.query, stored)))
    return f"{target.path}?{whole}" if whole else target.path


def _encoded(value: str) -> bytes:
    """The bytes that came: WSGI gives each as one character."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


@contextmanager
def _connected(target: Target) -> Iterator[HTTPConnection]:
    """Over the first address that answers. http.client resolves nothing: it gets an open socket."""
    with _first_that_answers(target.addresses) as plain:
        sock = plain
        if target.scheme == "https":
            sock = limited_context().wrap_socket(plain, server_hostname=target.host)
        with closing(HTTPConnection(target.host)) as connection:
            connection.sock = limited(sock, time.monotonic() + TIMEOUT)
            yield connection


def _first_that_answers(addresses: Sequence[tuple[int, Any]]) -> socket.socket:
    problem: OSError = OSError("no address")
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(TIMEOUT)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    raise problem
