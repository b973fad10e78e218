"""Any bytes over a socket are answered by a site with the gate as by one without, and the same is stored."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload
from tests.support.asgi_servers import AsgiSite
from tests.support.database import use_database
from tests.support.gate_heard_settings import HEARD
from tests.support.processes import Site
from tests.support.raw_wire import CUT, chunks

#: What is new in each answer.
NEW: Final = re.compile(
    rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=X-Request-ID: )[0-9a-f]{32}|(?<=Date: )[^\r]+"
    rb"|(?<=csrftoken=)\w+|(?<=visits=)[^;]+|(?<=csrfmiddlewaretoken\" value=\")\w+|expires=[^;]+",
    re.IGNORECASE,
)
Row = tuple[str, str, str, str, str, str, bytes]

PATHS: Final = [b"/in/posted/", b"/in/posted", b"/in/small/", b"/in/contact/", b"/in/nobody/", b"/in/photo/"]
ODD_PATHS: Final = [
    b"/in/%70osted/",
    b"/in/posted/?a=%00",
    b"//in/posted/",
    b"/in/posted/../small/",
    b"/in/\xff/",
    b"*",
]
#: A browser's, which is sent on to a page, with a cookie of the site.
FORM: Final = (
    b"POST /in/contact/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n"
    b"Accept: text/html\r\nContent-Length: 6\r\n\r\nname=A"
)
BODIES: Final = st.binary(max_size=120)
HEADERS: Final = [
    *(b"Host: 127.0.0.1", b"Host: evil.example", b"Host: a b", b"Content-Type: text/plain; charset=rot13"),
    *(b"Content-Length: 0", b"Content-Length: 7", b"Content-Length: +1", b"Content-Length: x", b"Content-Length:"),
    *(
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding:",
        b"Transfer_Encoding: x",
    ),
    *(b"Idempotency-Key: k\xe9", b"Idempotency-Key:", b"Accept: text/html", b"Cookie: sessionid=x", b"Cookie:"),
    *(b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil.example", b"Expect: 100-continue", b"X Y: z", b"no colon"),
]


class Pair(NamedTuple):
    gate: Site
    view: Site


GUNICORN: Final = "gunicorn"
#: They are in an environment of their own.
ASGI: Final = [pytest.param(server, marks=pytest.mark.services) for server in ("uvicorn h11", "uvicorn httptools")]


@pytest.fixture(scope="module", params=[GUNICORN, *ASGI])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path
) -> Iterator[Pair]:
    sites = [
        start(tmp_path_factory.mktemp("site"), request.param, name, migrated_sqlite)
        for name in ("gate_heard_settings", "gate_shut_settings")
    ]
    yield Pair(*sites)
    for site in sites:
        site.stop()


def start(folder: Path, server: str, settings: str, migrated: Path) -> Site:
    site = Site(folder) if server == GUNICORN else AsgiSite(folder, server)
    site.env |= {
        "DJANGO_SETTINGS_MODULE": f"tests.support.{settings}",
        "DEBUG": "false",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    site.env["PYTHONHASHSEED"] = "0"  # django-csp writes directives in the order of a set
    site.env["LONGEST_SENDING"] = "0.3"
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "proppy.sqlite3").write_bytes(migrated.read_bytes())
    site.start("web")
    return site


def answer(site: Site, data: bytes) -> bytes:
    """All that comes back once we have sent all; from uvicorn one answer.

    It hangs up at once on who has said all, and never on who has not.
    """
    waits = isinstance(site, AsgiSite)
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as wire:
        with suppress(OSError):  # it had read enough to refuse it
            wire.sendall(data)
            if not waits:
                wire.shutdown(socket.SHUT_WR)
        got = b""
        with suppress(ConnectionError):
            while not (waits and is_whole(got)) and (piece := wire.recv(65536)):
                got += piece
    return NEW.sub(b"new", got)


def is_whole(got: bytes) -> bool:
    """Whether an answer is there, with as much of a body as it says."""
    head = re.search(rb"HTTP/1\.1 [2-5].*?\r\n\r\n", got, re.DOTALL)
    length = re.search(rb"content-length: (\d+)", head[0], re.IGNORECASE) if head else None
    return bool(head and length and len(got) - head.end() >= int(length[1]))


def stored(site: Site) -> list[Row]:
    """The rows, which are deleted then."""
    with use_database(site.env["DATABASE_URL"]):
        rows = [
            (row.source, row.method, row.path, row.query, row.content_type, row.remote_addr, bytes(row.body))
            for row in RawPayload.objects.order_by("pk")
        ]
        RawPayload.objects.all().delete()
    return rows


def heard(site: Site) -> int:
    """How many posts its gate has answered."""
    return site.log("web").count(HEARD)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Mostly valid, over HTTPS as the proxy says."""
    body = draw(BODIES)
    headers = [b"Host: 127.0.0.1", b"X-Forwarded-Proto: https", b"Connection: close"]
    kind = draw(st.sampled_from(["length", "length", "length", "chunks", "cut", "none"]))
    if kind == "length":
        headers.append(b"Content-Length: %d" % draw(st.sampled_from([len(body)] * 6 + [0, len(body) + 1])))
    elif kind in {"chunks", "cut"}:
        headers.append(b"Transfer-Encoding: chunked")
        body = chunks(body) if kind == "chunks" else draw(st.sampled_from(list(CUT.values())))
    headers += draw(st.lists(st.sampled_from(HEADERS), max_size=2))
    method = draw(st.sampled_from([b"POST"] * 8 + [b"GET", b"PUT", b"post", b"BREW"]))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b""]))
    path = draw(st.sampled_from(PATHS * 2 + ODD_PATHS))
    return b"%s %s %s\r\n%s\r\n\r\n%s" % (method, path, version, b"\r\n".join(headers), body)


#: To another line uvicorn may never say a word; for another page or method Django waits for the end of the body.
ANSWERED: Final = re.compile(rb"POST /in/[\w%]+/?(\?\S*)? HTTP/1\.[01]\r\n")


def test_the_same_answers_and_rows(pair: Pair, django_db_blocker: DjangoDbBlocker) -> None:
    """Each from an empty table."""
    sent: list[bytes] = []
    asked = requests().filter(ANSWERED.match) if isinstance(pair.gate, AsgiSite) else requests()

    @settings(phases=[Phase.explicit, Phase.generate], max_examples=300)
    @given(asked)
    @example(FORM)
    def compare(data: bytes) -> None:
        sent.append(data)
        by_gate, by_view = pool.map(answer, pair, [data] * 2)
        assert by_gate == by_view, data
        assert stored(pair.gate) == stored(pair.view), data

    with ThreadPoolExecutor(2) as pool, django_db_blocker.unblock():
        compare()
    assert heard(pair.gate) > len(sent) // 20
    assert heard(pair.view) == 0


@pytest.mark.parametrize("pair", [GUNICORN], indirect=True)
def test_noise(pair: Pair) -> None:
    """Not of uvicorn, which waits for the end of a head."""

    @settings(phases=[Phase.generate], max_examples=100)
    @given(st.binary(max_size=200))
    def compare(data: bytes) -> None:
        by_gate, by_view = (answer(site, b"POST /in/posted/ HTTP/1.1\r\n" + data) for site in pair)
        assert by_gate == by_view, data

    compare()
