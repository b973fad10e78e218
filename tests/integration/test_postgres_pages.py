"""The site's pages while a real PostgreSQL is restarted, stopped or silent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from notifications.database.postgresql_restart import WAITING
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.visitor_https import HttpsVisitor
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
RAW = ("POST", "/in/contact/", b"{}", "application/json")


@pytest.fixture
def served(own: Postgres, site: Site) -> Site:
    """A site as in production, in one process with as many threads as the unit gives it."""
    site.env |= {
        "DJANGO_SETTINGS_MODULE": "tests.https_settings",
        "DEBUG": "false",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_URL": own.url,
    }
    site.migrate()
    site.start("web", "--threads=4")
    return site


@pytest.fixture
def visitor(served: Site) -> HttpsVisitor:
    """Signed up: each of the visitor's pages asks the database."""
    visitor = HttpsVisitor(served.port)
    assert visitor.request("GET", "/")[0] == 200
    assert visitor.post_form("/sign-up/", name="Ada", email="ada@example.com") == 302
    assert "Ada" in visitor.request("GET", "/")[1]
    return visitor


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_page_waits_for_a_server_that_is_restarted(own: Postgres, visitor: HttpsVisitor, how: str) -> None:
    own.stop("immediate" if how == "immediate" else "fast")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(visitor.request, "GET", "/")
        own.start()
        status, text = answer.result()
    assert (status, "Ada" in text) == (200, True)


def test_a_server_that_is_away_is_a_friendly_page(own: Postgres, served: Site, visitor: HttpsVisitor) -> None:
    own.stop("immediate")
    status, text = visitor.request("GET", "/")
    assert status == 503
    assert "One moment, please" in text
    assert "Traceback" not in text
    assert visitor.post_form("/sign-up/", name="Bob", email="bob@example.com") == 503
    assert HttpsVisitor(served.port).request("GET", "/")[0] == 200, "a page that needs no database"
    own.start()
    assert wait_for(lambda: visitor.request("GET", "/")[0] == 200)


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_pages_that_wait_leave_room_for_posts(own: Postgres, served: Site, visitor: HttpsVisitor, how: str) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def ask_for_pages() -> None:
        while not done.is_set():
            statuses.append(visitor.request("GET", "/")[0])

    def post() -> int:
        return HttpsVisitor(served.port).request(*RAW)[0]

    def while_away() -> None:
        with ThreadPoolExecutor(4 + WAITING) as pool:
            askers = [pool.submit(ask_for_pages) for _ in range(4 + WAITING)]
            try:
                wait_for(lambda: 503 in statuses, timeout=30)
                assert [post() for _ in range(20)] == [202] * 20
            finally:
                done.set()
            for asker in askers:
                asker.result()

    if how == "stopped":
        own.stop("immediate")
        while_away()
        own.start()
    else:
        with own.paused():
            while_away()
    assert set(statuses) <= {200, 503}
    wait_for(lambda: visitor.request("GET", "/")[0] == 200, timeout=30)


def test_a_table_that_stays_locked_hangs_no_page(own: Postgres, visitor: HttpsVisitor) -> None:
    with closing(psycopg.connect(own.url)) as other:
        other.execute("LOCK TABLE auth_user")
        assert visitor.request("GET", "/")[0] == 503
    assert visitor.request("GET", "/")[0] == 200
