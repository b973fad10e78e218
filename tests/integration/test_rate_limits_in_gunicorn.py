"""Rate limits over the web server: whose X-Forwarded-For makes somebody else of a client."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.processes import Site

Start = Callable[[str], http.client.HTTPConnection]

CSRF = "x" * 32


@pytest.fixture
def start(site: Site, migrated_sqlite: Path) -> Iterator[Start]:
    """The site with these TRUSTED_PROXIES, and a kept-alive connection to it from 127.0.0.1."""

    def start(trusted_proxies: str) -> http.client.HTTPConnection:
        site.env |= {
            "DJANGO_SETTINGS_MODULE": "tests.app_settings",
            "RATE_LIMITS": "true",
            "TRUSTED_PROXIES": trusted_proxies,
        }
        (site.folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
        site.start("web")
        return wires.enter_context(closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)))

    with ExitStack() as wires:
        yield start


def post(wire: http.client.HTTPConnection, path: str, forwarded_for: str, body: bytes = b"") -> int:
    headers = {"X-Forwarded-For": forwarded_for, "Cookie": f"csrftoken={CSRF}", "X-CSRFToken": CSRF}
    wire.request("POST", path, body, headers)
    answer = wire.getresponse()
    answer.read()
    assert (answer.status == 429) == (answer.getheader("Retry-After") is not None)
    return answer.status


def test_a_trusted_proxy_tells_its_clients_apart(start: Start) -> None:
    wire = start("127.0.0.1")
    assert [post(wire, "/sign-up/", "203.0.113.1") for _ in range(21)] == [200] * 20 + [429]
    assert post(wire, "/sign-up/", "forged, 203.0.113.1") == 429
    assert post(wire, "/sign-up/", "203.0.113.1, 203.0.113.2") == 200

    assert [post(wire, "/in/rare/", f"2001:db8::{n}") for n in range(3)] == [202, 202, 429]
    assert post(wire, "/in/rare/", "2001:db8:0:1::1") == 202


def test_what_anybody_else_forwards_makes_nobody_else_of_him(start: Start) -> None:
    wire = start("192.0.2.1")
    assert [post(wire, "/sign-up/", f"203.0.113.{n}") for n in range(21)] == [200] * 20 + [429]
    assert [post(wire, "/in/rare/", f"203.0.113.{n}") for n in range(3)] == [202, 202, 429]


def test_whoever_sends_a_body_that_nobody_reads_gets_the_answer(start: Start) -> None:
    wire = start("127.0.0.1")
    assert [post(wire, "/in/rare/", "203.0.113.1", b"small") for _ in range(4)] == [202, 202, 429, 429]
    for size in (1_000_000, 9_000_000):
        assert post(wire, "/in/rare/", "203.0.113.1", b"x" * size) == 429
        wire.close()
