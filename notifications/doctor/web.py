"""Requests to neighbours by HTTP, as the channels make them: through the proxy of the settings, within a time limit."""

import time
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from notifications.http.https_proxy import Connection
from notifications.utils.limited_sockets import limited

#: Seconds for a whole exchange: less than an examination has.
LONGEST: Final = 4.0
HEADERS: Final = {"User-Agent": "proppy", "Connection": "close"}


class Address(NamedTuple):
    """Where a URL leads. Its path may be a secret, and is not here."""

    host: str
    port: int
    is_https: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ValueError for a port that is none."""
        parts = urlsplit(url)
        is_https = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if is_https else 80), is_https)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def connect(address: Address) -> HTTPConnection:
    """A connection, with its TLS. Raises OSError, also for a wrong certificate; ValueError for a wrong proxy."""
    until = time.monotonic() + LONGEST
    made = Connection if address.is_https else HTTPConnection
    connection = made(address.host, address.port, timeout=LONGEST / 2)
    try:
        connection.connect()
        connection.sock = limited(connection.sock, until)
    except BaseException:
        connection.close()
        raise
    return connection


def request(method: str, address: Address, target: str) -> HTTPResponse:
    """The answer, which is to be closed; its body is not read. Raises as `connect`, and HTTPException."""
    with closing(connect(address)) as connection:
        connection.request(method, target, headers=HEADERS)
        return connection.getresponse()
