"""What is posted to the web server is stored and downloaded byte for byte, and the admin's page of it never fails."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import reverse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload
from tests import app_settings
from tests.support.database import use_database
from tests.support.processes import Site

LARGEST: Final = app_settings.NOTIFICATIONS_SOURCES["small"]["max_body_bytes"]
BOUNDARY: Final = b"--XX"
MULTIPART: Final = [
    b"\r\n",
    b"\n",
    BOUNDARY,
    BOUNDARY + b"--",
    b"--",
    b"Content-Disposition: form-data; name=",
    b'"a"; filename="\xe2\x80\xaegnp.<b>"',
    b"Content-Disposition: form-data; name*=utf-8''%ff; filename*=x'y'",
    b"Content-Type: image/png",
    b"Content-Transfer-Encoding: base64",
    b"\0\xff\x1b[31m",
    b"<script>alert(1)</script>",
    b"x" * 1001,
]
#: Bytes of a header's value (RFC 9110, 5.5).
IN_HEADER: Final = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
#: Bytes that a query may have.
IN_QUERY: Final = b"abc=&;%00%ff%u202e+?/:@!$'()*,~[]|^`{}"

bodies = st.binary(max_size=300) | st.lists(st.sampled_from(MULTIPART), max_size=12).map(b"".join)
values = st.lists(st.sampled_from(IN_HEADER), max_size=40).map(lambda codes: bytes(codes).strip())
content_types = values | st.sampled_from(
    [
        b"multipart/form-data; boundary=XX",
        b"multipart/mixed; boundary=",
        b'multipart/form-data; boundary="XX\\',
        b"multipart/form-data; boundary*=nope''%ff",
        b"application/json; charset=rot13",
        b"application/x-www-form-urlencoded",
    ]
)
queries = st.lists(st.sampled_from(IN_QUERY), max_size=30).map(bytes)
always_the_same = settings(derandomize=True, database=None)


class Exchange:
    """Posts to a site over one kept connection, as bytes; looks at what was stored through the admin."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self.admin = Client()
        self.admin.force_login(User.objects.create_superuser("admin", password="x"))

    def post(
        self, source: bytes, body: bytes, cuts: list[int], query: bytes, headers: dict[bytes, bytes]
    ) -> HTTPResponse:
        """In chunks that end at `cuts`, or with a length where there are none."""
        if cuts:
            ends = sorted({min(cut, len(body)) for cut in cuts} | {len(body)})
            pieces = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
            sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*filter(None, pieces), b""])
            headers = {**headers, b"Transfer-Encoding": b"chunked"}
        else:
            sent, headers = body, {**headers, b"Content-Length": b"%d" % len(body)}
        head = b"".join(b"%s: %s\r\n" % header for header in headers.items())
        request = b"POST /in/%s/?%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n%s" % (source, query, head, sent)
        return self._exchange(request)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> HTTPResponse:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._socket.sendall(request)
        answer = HTTPResponse(self._socket, method="POST")
        answer.begin()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]  # read before the connection goes on
        if answer.will_close or answer.status != 202:
            self.close()
        return answer


@pytest.fixture
def exchange(
    site: Site, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker, settings: Any
) -> Iterator[Exchange]:
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.app_settings"
    settings.NOTIFICATIONS_SOURCES = app_settings.NOTIFICATIONS_SOURCES
    settings.NOTIFICATIONS_STATE_DIR = site.folder / "state"
    (site.folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    site.start("web")
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        exchange = Exchange(site.port)
        yield exchange
        exchange.close()
        site.kill("web")
    assert "Traceback" not in site.log("web")


@contextmanager
def seen_by_the_admin(exchange: Exchange, pk: int) -> Iterator[tuple[HttpResponse, bytes]]:
    """The page of a payload, and its download."""
    page = exchange.admin.get(reverse("admin:notifications_rawpayload_change", args=[pk]))
    download = exchange.admin.get(reverse("admin:notifications_rawpayload_body", args=[pk]))
    assert isinstance(download, StreamingHttpResponse)
    yield page, b"".join(download.streaming_content)


def check_stored(exchange: Exchange, answer: HTTPResponse, body: bytes) -> RawPayload:
    """Stored, downloaded and described exactly."""
    text = answer.text  # type: ignore[attr-defined]
    assert answer.status == 202, text
    stored = RawPayload.objects.get(receipt=json.loads(text)["id"])
    assert (stored.body, stored.size, stored.digest) == (body, len(body), hashlib.sha256(body).hexdigest())
    with seen_by_the_admin(exchange, stored.pk) as (page, download):
        assert page.status_code == 200
        assert b"<script>alert" not in page.content
        assert download == body
    return stored


@always_the_same
@given(bodies, st.lists(st.integers(0, 300), max_size=4), content_types, values, queries)
@example(b"", [], b"", b"", b"")
@example(b"", [1], b"", b"", b"")
@example(bytes(range(256)) * 300, [1, 255, 256], b"text/plain", bytes(range(0x20, 0x7F)).strip(), b"%00")
@example(b"<script>alert(1)</script>", [], b"<script>alert(1)</script>", b"<script>alert(1)</script>", b"")
def test_anything_that_is_posted(
    exchange: Exchange, body: bytes, cuts: list[int], content_type: bytes, value: bytes, query: bytes
) -> None:
    headers = {b"Content-Type": content_type, b"X-Odd": value}
    stored = check_stored(exchange, exchange.post(b"posted", body, cuts, query, headers), body)
    assert stored.content_type.encode("latin-1") == content_type
    assert stored.headers["x-odd"].encode("latin-1") == value
    assert stored.query.encode("latin-1") == query


@pytest.mark.parametrize("cuts", [[], [1], [LARGEST], [LARGEST - 1, LARGEST]])
def test_at_the_limit(exchange: Exchange, cuts: list[int]) -> None:
    for size in (LARGEST - 1, LARGEST):
        body = b"\xff" * size
        check_stored(exchange, exchange.post(b"small", body, cuts, b"", {}), body)
    assert exchange.post(b"small", b"\xff" * (LARGEST + 1), cuts, b"", {}).status == 413
    assert RawPayload.objects.count() == 2


@pytest.mark.parametrize("size", [256 * 1024, 256 * 1024 + 1, 10 * 1024 * 1024])
def test_large_ones(exchange: Exchange, size: int) -> None:
    """Around what stays in the row, and the largest that is taken."""
    body = hashlib.shake_256(b"seed").digest(size)
    for cuts in ([], [1, size // 2]):
        check_stored(exchange, exchange.post(b"posted", body, cuts, b"", {}), body)
