"""A request of the soak, and how its head is written."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.soak.wire import Answer

FORM: Final = "application/x-www-form-urlencoded"
NO_HEADERS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """`settle(answer, uneasy)` notes what was promised, and says what is wrong with the answer, else "". It is told
    whether there was a fault within the last seconds.

    `raw`: it may not fail without the database. `fail()` notes that there was no answer, or a friendly 503.
    `tells`: the event that the web server tells with it.
    """

    route: str
    data: bytes
    expect: frozenset[int]
    settle: Callable[[Answer, bool], str]
    fail: Callable[[], None] = lambda: None
    raw: bool = True
    alone: bool = False
    end: bool = False
    #: Whether the site's statistics of requests may count it.
    counted: bool = True
    tells: str = ""


def http(
    method: str, path: str, chance: random.Random, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
) -> bytes:
    """A request as nginx sends it on, from one of millions of clients."""
    client = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
    fields = {"Host": "localhost", "X-Forwarded-For": client, "X-Forwarded-Proto": "https"}
    if method != "GET" and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        fields["Content-Length"] = str(len(body))
    lines = [f"{name}: {value}\r\n" for name, value in {**fields, **headers}.items()]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body
