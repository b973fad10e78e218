"""The site behind real ASGI servers, over a raw socket: cut bodies, slow clients, kills; nothing blocks their loop."""

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
import pytest
from pytest_django import DjangoDbBlocker

from notifications.journal import FileJournal
from notifications.models import RawPayload
from tests.contracts.raw_intake import stores_any_content_type, takes_bodies
from tests.support.asgi_servers import SERVERS, AsgiSite
from tests.support.database import use_database
from tests.support.http2 import cut_post
from tests.support.journals import read_all
from tests.support.postgres import Postgres
from tests.support.raw_wire import CHUNKED, CUT, Wire, bodies, chunks, length
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

#: daphne reads a body to its end before anybody sees the request: none of our limits is in time there.
READS_FIRST: Final = {"daphne"}
PATIENT: Final = sorted(SERVERS.keys() - READS_FIRST)


@pytest.fixture(scope="module", params=SERVERS)
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_sqlite: Path,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[AsgiSite]:
    """One site for all tests of a server, whose database is the default one meanwhile."""
    site = AsgiSite(tmp_path_factory.mktemp("running"), request.param)
    site.copy_database(migrated_sqlite)
    site.start("web")
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield site
    site.stop()


@pytest.fixture
def wire(running: AsgiSite) -> Iterator[Wire]:
    RawPayload.objects.all().delete()
    before = len(running.log("web"))
    yield Wire(running.port)
    log = running.log("web")[before:]
    assert "Traceback" not in log, log
    assert "Internal Server Error" not in log


def test_bodies_that_are_taken(wire: Wire) -> None:
    takes_bodies(wire)


def test_a_content_type_that_cannot_be_parsed_is_stored_as_it_is(wire: Wire) -> None:
    stores_any_content_type(wire)


REFUSED: Final = {
    "no number": ({400}, b"Content-Length: x\r\n", b"x", b"posted"),
    "negative": ({400}, b"Content-Length: -1\r\n", b"x", b"posted"),
    "two lengths": ({400}, length(1) + length(2), b"xx", b"posted"),
    "larger than any": ({400, 413}, b"Content-Length: " + b"9" * 15 + b"\r\n", b"x", b"posted"),
    "an encoding besides": ({400, 411, 501}, b"Transfer-Encoding: gzip, chunked\r\n", chunks(b"abc"), b"posted"),
    "too large": ({413}, length(101), b"x" * 101, b"small"),
    "too large in chunks": ({413}, CHUNKED, chunks(b"x" * 60, b"x" * 60), b"small"),
    "unknown": ({404}, length(1), b"x", b"nobody"),
    "internal": ({404}, length(1), b"x", b"count"),
    "a key that is no text": ({400}, length(1) + b"Idempotency-Key: \x80\r\n", b"x", b"posted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_not_stored(running: AsgiSite, wire: Wire, name: str) -> None:
    statuses, headers, body, source = REFUSED[name]
    hangs_up = name == "larger than any" and running.server in READS_FIRST
    assert wire.post(headers, body, path=b"/in/%s/" % source, end=hangs_up) in ({0} if hangs_up else statuses)
    assert bodies() == []
    assert wire.post(length(2), b"ok") == 202


@pytest.mark.parametrize("encoded", [length(15) + CHUNKED, CHUNKED + length(15)], ids=["length first", "chunks first"])
def test_both_a_length_and_chunks(running: AsgiSite, wire: Wire, encoded: bytes) -> None:
    """Granian takes the length away, so that nobody can tell; the body is that of the chunks (RFC 9112, 6.3)."""
    taken = running.server == "granian"
    assert wire.post(encoded, chunks(b"hello")) == (202 if taken else 400)
    assert bodies() == ([b"hello"] if taken else [])


def test_a_body_that_is_shorter_than_announced_is_not_stored(running: AsgiSite, wire: Wire) -> None:
    """Uvicorn and daphne take a client that has said all for one that has gone, and do not answer."""
    wanted = 400 if running.server == "granian" else 0
    assert wire.post(length(9), b"12345", end=True) == wanted
    assert wire.post(length(9), end=True) == wanted
    assert wire.post(length(9) + b"Transfer_Encoding: chunked\r\n", b"12345", end=True) == wanted
    assert wire.post(length(2), b"ok") == 202
    assert bodies() == [b"ok"]


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_a_chunked_body_that_is_cut_or_invalid_is_not_stored(wire: Wire, body: bytes) -> None:
    assert wire.post(CHUNKED, body, end=True) in {400, 0}
    assert wire.post(CHUNKED, chunks(b"whole")) == 202
    assert bodies() == [b"whole"]


def test_clients_that_go_away_leave_nothing(running: AsgiSite, wire: Wire) -> None:
    """By a reset, in large bodies, with and without a length."""
    large = b"x" * 300_000
    for headers, body in ((length(400_000), large), (CHUNKED, b"%x\r\n%s\r\n" % (len(large), large))):
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as line:
            line.sendall(b"POST /in/posted/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n%s" % (headers, body))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert wire.post(length(2), b"ok") == 202
    assert bodies() == [b"ok"]


def test_what_comes_behind_a_refused_body_is_another_request(running: AsgiSite, wire: Wire) -> None:
    """What is not received must not be taken for a request. Granian closes the connection instead."""
    hidden = b"POST /in/posted/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\n\r\nhidden"
    refused = b"POST /in/small/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n%s" % (length(len(hidden) * 1000), hidden * 1000)
    last = b"POST /in/posted/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\nok" % length(2)
    found = wire.send(refused + last)
    assert found == ([413] if running.server == "granian" else [413, 202])
    assert b"hidden" not in bodies()


def test_requests_of_http_2_that_break_off_hold_nobody_up(running: AsgiSite, wire: Wire) -> None:
    """Granian takes HTTP/2 with prior knowledge; the others know nothing of it."""
    with ExitStack() as stack:
        for _ in range(4):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30))
            line.sendall(cut_post("/in/posted/", b"hello"))
        assert wire.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n") == [200]
        assert wire.post(length(2), b"ok") == 202
    assert bodies() == [b"ok"]


# With a site of its own


@pytest.fixture
def alone(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[AsgiSite]:
    site = AsgiSite(tmp_path, request.param)
    site.copy_database(migrated_sqlite)
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield site
    site.stop()


each_server = pytest.mark.parametrize("alone", SERVERS, indirect=True)


@pytest.mark.parametrize("alone", PATIENT, indirect=True)
def test_slow_clients_are_told_so_and_hold_nobody_up(alone: AsgiSite) -> None:
    alone.env["LONGEST_SENDING"] = "2"
    alone.start("web")
    head = b"POST /in/posted/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n12345" % length(9)
    with ExitStack() as stack:
        lines = []
        for number in range(60):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", alone.port), timeout=30))
            line.sendall(head if number % 2 else head[:40])
            lines.append(line)
        assert [Wire(alone.port).post(length(2), b"ok") for _ in range(10)] == [202] * 10
        answers = [line.makefile("rb").readline() for line in lines[1::2]]
    assert {answer.split()[1] for answer in answers} == {b"408"}
    assert bodies() == [b"ok"] * 10


#: How often a body says the same: so that a cut one is known.
TIMES: Final = 500


class Posters:
    """Post until they are told to end, and note which receipts were promised."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/in/posted/"
        self._end = threading.Event()
        self.promised: dict[str, bytes] = {}
        self._threads = [threading.Thread(target=self._post, args=[number]) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def _post(self, thread: int) -> None:
        for number in range(1_000_000):
            if self._end.is_set():
                return
            body = b"%d %d " % (thread, number) * TIMES
            with suppress(OSError, HTTPException), urllib.request.urlopen(self._url, body, timeout=20) as answer:
                self.promised[json.load(answer)["id"]] = body

    def finish(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def in_spool(site: AsgiSite) -> set[str]:
    """The receipts that wait there."""
    return {str(UUID(path.name)) for path in (site.folder / "state" / "spool").glob("?" * 32)}


@each_server
def test_what_was_promised_survives_kills(alone: AsgiSite) -> None:
    alone.start("web")
    posters = Posters(alone.port)
    try:
        for turn in range(1, 3):
            wait_for(lambda: len(posters.promised) >= turn * 20)  # noqa: B023  it is called at once
            alone.kill("web")
            alone.start("web")
    finally:
        posters.finish()
    stored = {str(payload.receipt): bytes(payload.body) for payload in RawPayload.objects.all()}
    assert posters.promised.keys() - stored.keys() <= in_spool(alone)
    assert {receipt for receipt, body in posters.promised.items() if stored.get(receipt, body) != body} == set()
    assert [body for body in stored.values() if body != body[: len(body) // TIMES] * TIMES] == []


@each_server
def test_events_of_a_loop_and_its_end_are_in_the_journal(alone: AsgiSite) -> None:
    """The site's middleware emits on the loop; uvicorn then ends its process by a signal."""
    alone.start("web")
    for _ in range(3):
        Wire(alone.port).post(length(1), b"x", path=b"/in/contact/")
    alone.terminate("web")
    journal = FileJournal(alone.folder / "state" / "journal")
    names = [str(entry.fields["PROPPY_EVENT"]) for entry in read_all(journal.open(follow=False))]
    assert [name for name in names if name in {"TRACE", "END"}] == ["TRACE"] * 3 + ["END"]


@pytest.mark.parametrize("alone", ["uvicorn h11", "uvicorn httptools"], indirect=True)
def test_nothing_of_ours_blocks_the_loop(alone: AsgiSite) -> None:
    alone.env["BLOCKBUSTER"] = "1"
    alone.start("web")
    wire = Wire(alone.port)
    for path in (b"/in/contact/", b"/in/posted/"):
        assert wire.post(length(1), b"x", path=path) == 202
        assert wire.post(CHUNKED, chunks(b"x"), path=path) == 202
    assert wire.post(length(101), b"x" * 101, path=b"/in/small/") == 413
    for page in ("/healthz", "/readyz", "/metrics", "/"):
        with urllib.request.urlopen(alone.url + page, timeout=30) as answer:
            assert answer.status == 200
    assert "BlockingError" not in alone.log("web")
    alone.terminate("web")


#: Without PostgreSQL's own workers, such as autovacuum's.
CLIENTS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
)


@pytest.mark.parametrize("server", ["uvicorn httptools", "granian", "daphne"])
def test_a_pool_serves_all_requests_on_postgresql(tmp_path: Path, postgres_url: str, server: str) -> None:
    site = AsgiSite(tmp_path, server)
    site.env["DATABASE_URL"] = postgres_url
    site.migrate()
    site.env["POOL"] = "true"
    most = 0
    try:
        site.start("web")
        posters = Posters(site.port)
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            while len(posters.promised) < 100:
                most = max(most, *next(watcher.execute(CLIENTS)))
            posters.finish()
            stored = {str(row[0]) for row in watcher.execute("SELECT receipt FROM notifications_rawpayload")}
    finally:
        site.stop()
    assert posters.promised.keys() <= stored
    assert most <= 1 + 4
    assert "CONN_MAX_AGE" not in site.log("web")


def test_with_a_pool_posts_go_to_the_spool_while_postgresql_is_away(tmp_path: Path, own: Postgres) -> None:
    site = AsgiSite(tmp_path, "uvicorn httptools")
    site.env["DATABASE_URL"] = own.url
    site.migrate()
    site.env["POOL"] = '{"timeout": 0.5}'
    try:
        site.start("web")
        assert Wire(site.port).post(length(1), b"x") == 202
        own.stop("immediate")
        assert [Wire(site.port).post(length(1), b"x") for _ in range(5)] == [202] * 5
        assert len(in_spool(site)) == 5
    finally:
        site.stop()


def test_connections_that_nobody_closes_are_in_the_log(tmp_path: Path, postgres_url: str) -> None:
    site = AsgiSite(tmp_path, "uvicorn h11")
    site.env["DATABASE_URL"] = postgres_url
    try:
        site.start("web")
    finally:
        site.stop()
    assert "DATABASES['default'] has CONN_MAX_AGE = None" in site.log("web")
