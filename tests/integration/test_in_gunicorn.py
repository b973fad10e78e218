"""POST /in/<source>/ over the web server and a raw socket: what no client library would send."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload
from tests.contracts.raw_intake import stores_any_content_type, takes_bodies
from tests.support.database import use_database
from tests.support.http2 import cut_post
from tests.support.processes import Site
from tests.support.raw_wire import CHUNKED, CUT, Wire, bodies, chunks, length


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """One site for all tests, whose database is the default one meanwhile."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "state").mkdir(mode=0o700)
    site = Site(folder)
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.app_settings"
    (folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    site.start("web")
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield site
    site.stop()


@pytest.fixture
def wire(running: Site) -> Iterator[Wire]:
    RawPayload.objects.all().delete()
    before = len(running.log("web"))
    yield Wire(running.port)
    log = running.log("web")[before:]
    assert "Traceback" not in log, log
    assert " 500 " not in log


def test_bodies_that_are_taken(wire: Wire) -> None:
    takes_bodies(wire)
    assert wire.post(length(3), b"one and more") == 202
    assert bodies()[-1] == b"one"


def test_a_content_type_that_cannot_be_parsed_is_stored_as_it_is(wire: Wire) -> None:
    stores_any_content_type(wire)


def test_what_is_refused_is_not_stored(wire: Wire) -> None:
    statuses = {
        "ends early": wire.post(length(9), b"12345", end=True),
        "nothing of it": wire.post(length(9), end=True),
        "no number": wire.post(b"Content-Length: x\r\n", b"x"),
        "negative": wire.post(b"Content-Length: -1\r\n", b"x"),
        "two lengths": wire.post(length(1) + length(2), b"xx"),
        "a length and chunks": wire.post(length(3) + CHUNKED, chunks(b"abc")),
        "chunks and a length": wire.post(CHUNKED + length(3), chunks(b"abc")),
        "larger than any": wire.post(b"Content-Length: " + b"9" * 40 + b"\r\n", b"x"),
        "too large": wire.post(length(101), b"x" * 101, path=b"/in/small/"),
        "too large, it says": wire.post(length(10**15), b"x", path=b"/in/small/"),
        "too large in chunks": wire.post(CHUNKED, chunks(b"x" * 60, b"x" * 60), path=b"/in/small/"),
        "unknown": wire.post(length(1), b"x", path=b"/in/nobody/"),
        "internal": wire.post(length(1), b"x", path=b"/in/count/"),
        "10,000 headers": wire.post(length(1) + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)), b"x"),
        "a key that is no text": wire.post(length(1) + b"Idempotency-Key: \x80\r\n", b"x"),
    }
    assert statuses == {
        "ends early": 400,
        "nothing of it": 400,
        "no number": 400,
        "negative": 400,
        "two lengths": 400,
        "a length and chunks": 400,
        "chunks and a length": 400,
        "larger than any": 413,
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


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_a_chunked_body_that_is_cut_or_invalid_is_not_stored(wire: Wire, body: bytes) -> None:
    assert wire.post(CHUNKED, body, end=True) == 400
    assert bodies() == []
    assert wire.post(CHUNKED, chunks(b"whole")) == 202


def test_long_extensions_of_chunks_cost_no_byte(wire: Wire) -> None:
    """20 kB of valid ones: taken whole, or refused if one is longer than a line may be."""
    many = b"".join(b"1;a=%s\r\nx\r\n" % (b"b" * 500) for _ in range(40)) + b"0\r\n\r\n"
    assert wire.post(CHUNKED, many) == 202
    assert wire.post(CHUNKED, b"5;a=%s\r\nhello\r\n0\r\n\r\n" % (b"b" * 20_000)) == 400
    assert bodies() == [b"x" * 40]


def test_a_header_that_only_looks_like_the_encoding_switches_no_check_off(wire: Wire) -> None:
    assert wire.post(length(9) + b"Transfer_Encoding: chunked\r\n", b"12345", end=True) == 400
    assert bodies() == []
    assert wire.post(length(5) + b"Transfer_Encoding: chunked\r\n", b"12345") == 202
    assert bodies() == [b"12345"]


def test_what_comes_behind_a_request_is_another_one(wire: Wire) -> None:
    """Pipelined, the second broken off: the first is stored, the second is not."""
    head = b"POST /in/posted/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    first = head + length(5) + b"\r\nfirst"
    assert wire.send(first + head + CHUNKED + b"\r\n" + chunks(b"second"), end=True) == [202, 202]
    assert wire.send(first + head + length(9) + b"\r\ncut", end=True) == [202, 400]
    assert wire.send(head + b"\r\n" + first, end=True) == [202, 202]
    assert bodies() == [b"first", b"second", b"first", b"", b"first"]


@pytest.mark.parametrize("end", [True, False], ids=["closed", "left open"])
def test_requests_of_http_2_that_break_off_hold_nobody_up(wire: Wire, end: bool) -> None:
    """Four of them, as many as there are threads, held a server that took HTTP/2 for good: such a body never ended."""
    for _ in range(4):
        assert set(wire.send(cut_post("/in/posted/", b"hello"), end=end)) <= {400, 405, 505}
    assert wire.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n") == [200]
    assert wire.post(length(2), b"ok") == 202
    assert bodies() == [b"ok"]
