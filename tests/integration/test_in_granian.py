"""POST /in/<source>/ over a real Granian and a raw socket: what no client library would send."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload
from tests.support.database import use_database
from tests.support.processes import Site

CHUNKED = b"Transfer-Encoding: chunked\r\n"
CONTENT_TYPES = [b"text/plain; a*=bogus''%ff", b"text/plain; charset=rot13"]


class Wire:
    """Sends bytes as they are to a running site, and gives the answers' status codes."""

    def __init__(self, port: int) -> None:
        self._port = port

    def post(
        self, headers: bytes, body: bytes | list[bytes] = b"", *, path: bytes = b"/in/posted/", end: bool = False
    ) -> int:
        """`body` may come in pieces, each in a packet of its own; `end` closes our side after it."""
        head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n" % (path, headers)
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in [head, *(body if isinstance(body, list) else [body])]:
                connection.sendall(piece)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return int(connection.makefile("rb").readline().split()[1])


@pytest.fixture
def wire(site: Site, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Wire]:
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.app_settings"
    (site.folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    site.start("web")
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield Wire(site.port)
        site.kill("web")
    log = site.log("web")
    assert "Traceback" not in log, log
    assert " 500 " not in log


def bodies() -> list[bytes]:
    return [bytes(body) for body in RawPayload.objects.order_by("pk").values_list("inline_body", flat=True)]


def length(number: int) -> bytes:
    return b"Content-Length: %d\r\n" % number


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def test_bodies_that_are_taken(wire: Wire) -> None:
    every_byte = bytes(range(256)) * 300
    assert wire.post(length(len(every_byte)), every_byte) == 202
    assert wire.post(length(0)) == 202
    assert wire.post(CHUNKED, chunks(b"one", b"two\0\xff", every_byte)) == 202
    assert wire.post(CHUNKED, chunks()) == 202
    assert wire.post(length(6), [bytes([byte]) for byte in b"slowly"]) == 202
    assert wire.post(CHUNKED, [bytes([byte]) for byte in chunks(b"slow", b"ly")]) == 202
    assert wire.post(length(3) + CHUNKED, chunks(b"chunks win")) == 202
    assert wire.post(length(3), b"one and more") == 202
    assert wire.post(length(1) + b"X-Odd: \xff\xfe\r\n", b"x", path=b"/in/posted/?a=%00&b=%FF") == 202
    odd = [b"", b"slowly", b"slowly", b"chunks win", b"one", b"x"]
    assert bodies() == [every_byte, b"", b"onetwo\0\xff" + every_byte, *odd]


def test_a_content_type_that_cannot_be_parsed_is_stored_as_it_is(wire: Wire) -> None:
    for content_type in CONTENT_TYPES:
        assert wire.post(length(1) + b"Content-Type: %s\r\n" % content_type, b"x") == 202
    stored = RawPayload.objects.order_by("pk").values_list("content_type", flat=True)
    assert [text.encode("latin-1") for text in stored] == CONTENT_TYPES


def test_what_is_refused_is_not_stored(wire: Wire) -> None:
    statuses = {
        "ends early": wire.post(length(9), b"12345", end=True),
        "nothing of it": wire.post(length(9), end=True),
        "neither length nor end": wire.post(b""),
        "no number": wire.post(b"Content-Length: x\r\n", b"x"),
        "negative": wire.post(b"Content-Length: -1\r\n", b"x"),
        "two lengths": wire.post(length(1) + length(2), b"xx"),
        "larger than any": wire.post(b"Content-Length: " + b"9" * 40 + b"\r\n", b"x"),
        "too large": wire.post(length(101), b"x" * 101, path=b"/in/small/"),
        "too large, it says": wire.post(length(10**15), b"x", path=b"/in/small/"),
        "too large in chunks": wire.post(CHUNKED, chunks(b"x" * 60, b"x" * 60), path=b"/in/small/"),
        "unknown": wire.post(length(1), b"x", path=b"/in/nobody/"),
        "internal": wire.post(length(1), b"x", path=b"/in/count/"),
        "10,000 headers": wire.post(length(1) + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)), b"x"),
        "a key that is no text": wire.post(length(1) + b"Idempotency-Key: \xff\r\n", b"x"),
    }
    assert statuses == {
        "ends early": 400,
        "nothing of it": 400,
        "neither length nor end": 411,
        "no number": 400,
        "negative": 400,
        "two lengths": 400,
        "larger than any": 400,
        "too large": 413,
        "too large, it says": 413,
        "too large in chunks": 413,
        "unknown": 404,
        "internal": 404,
        "10,000 headers": 431,
        "a key that is no text": 400,
    }
    assert bodies() == []
    assert wire.post(length(2), b"ok") == 202


@pytest.mark.xfail(reason="Granian 2.8 hands on a broken chunked body as if it were whole")
@pytest.mark.parametrize("body", [b"5\r\nhello\r\n5\r\nhe", b"zz\r\nhello\r\n", b"5\r\nhello\r\n"])
def test_a_chunked_body_that_ends_early(wire: Wire, body: Any) -> None:
    assert wire.post(CHUNKED, body, end=True) == 400
    assert bodies() == []
