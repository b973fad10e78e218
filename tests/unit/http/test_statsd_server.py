"""Request counts on their way to the StatsD server of METRICS_URL, a UDP socket of the test."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from notifications.http import statsd_server
from notifications.http.statsd_server import Server, counter_name, open_server, parse_url
from notifications.middleware import Reporter, RequestStats

DEADLINE: Final = 20.0
ROOT: Final = Path(__file__).resolve().parents[3]
#: A process that answers one request, then ends.
ONE_REQUEST: Final = """
import django; django.setup()
from django.http import HttpResponse
from django.test import RequestFactory
from notifications.middleware import RequestStats
RequestStats(lambda request: HttpResponse())(RequestFactory().get("/"))
"""


@pytest.fixture
def url(udp_server: socket.socket, settings: Any) -> Iterator[str]:
    settings.NOTIFICATIONS_METRICS_URL = f"statsd://127.0.0.1:{udp_server.getsockname()[1]}"
    yield settings.NOTIFICATIONS_METRICS_URL
    if statsd := open_server():
        assert statsd.flush(DEADLINE)  # not closed: another test may get the same port


@pytest.fixture
def reporter() -> Iterator[Reporter]:
    reporter = Reporter()
    yield reporter
    assert reporter.close(DEADLINE)


def counters(udp_server: socket.socket) -> dict[str, float]:
    lines = udp_server.recv(65536).decode().splitlines()
    assert all(line.endswith("|c") for line in lines)
    return {name: float(count) for name, _, count in (line.removesuffix("|c").partition(":") for line in lines)}


@pytest.mark.usefixtures("url")
def test_the_server_gets_the_counts_of_the_report(udp_server: socket.socket, reporter: Reporter) -> None:
    for status in (200, 503):
        reporter.add("GET", "photos/<int:id>/", status=status, ms=10.0)
    reporter.add("POST", "", status=200, ms=0.0)
    assert reporter.flush(DEADLINE)
    assert counters(udp_server) == {
        "proppy.requests.GET.photos_int_id": 2,
        "proppy.errors.GET.photos_int_id": 1,
        "proppy.ms.GET.photos_int_id": 20,
        "proppy.requests.POST.root": 1,
    }


def test_its_name_is_looked_up_by_the_thread_of_the_queue(
    udp_server: socket.socket, url: str, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    found = socket.getaddrinfo("127.0.0.1", udp_server.getsockname()[1], type=socket.SOCK_DGRAM)

    def find(*_: object, **__: object) -> list[Any]:
        threads.append(threading.get_ident())
        return found

    monkeypatch.setattr(socket, "getaddrinfo", find)
    RequestStats(lambda _: HttpResponse())(HttpRequest())
    reporter.add("GET", "", status=200, ms=0.0)
    assert reporter.flush(DEADLINE)
    assert counters(udp_server) == {"proppy.requests.GET.root": 1}
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.usefixtures("url")
def test_a_process_that_is_forked_later_sends_its_own(udp_server: socket.socket, reporter: Reporter) -> None:
    reporter.add("GET", "", status=200, ms=0.0)
    assert reporter.flush(DEADLINE)
    assert counters(udp_server) == {"proppy.requests.GET.root": 1}
    child = os.fork()
    if not child:
        reporter.add("POST", "", status=200, ms=0.0)
        statsd = reporter.flush(DEADLINE) and open_server()
        os._exit(not (statsd and statsd.flush(DEADLINE)))
    assert counters(udp_server) == {"proppy.requests.POST.root": 1}
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_was_counted_is_sent_at_exit(udp_server: socket.socket, tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "proppy.settings",
        "METRICS_URL": f"statsd://127.0.0.1:{udp_server.getsockname()[1]}/shop.web",
        "STATE_DIR": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", ONE_REQUEST], cwd=ROOT, env=environment, check=True)
    assert counters(udp_server)["shop.web.requests.GET.unknown"] == 1


def test_without_the_setting_nothing_is_opened(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statsd_server, "StatsD", None)
    RequestStats(lambda _: HttpResponse())(RequestFactory().get("/"))
    reporter.add("GET", "", status=200, ms=0.0)
    assert reporter.flush(DEADLINE)
    assert open_server() is None


def test_a_wrong_address_costs_no_request(settings: Any, reporter: Reporter, caplog: pytest.LogCaptureFixture) -> None:
    settings.NOTIFICATIONS_METRICS_URL = "statsd://wrong:port"
    assert RequestStats(lambda _: HttpResponse())(RequestFactory().get("/")).status_code == 200
    reporter.add("GET", "", status=200, ms=0.0)
    assert reporter.flush(DEADLINE)
    assert caplog.text.count("METRICS_URL") == 1


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("statsd://metrics.example.org:9125", Server("metrics.example.org", 9125, "proppy.")),
        ("statsd://10.0.0.1", Server("10.0.0.1", 8125, "proppy.")),
        ("statsd://[::1]:8125/shop/", Server("::1", 8125, "shop.")),
        ("statsd://a:1/shop.web-1", Server("a", 1, "shop.web-1.")),
    ],
)
def test_addresses(url: str, parsed: Server) -> None:
    assert parse_url(url) == parsed


@pytest.mark.parametrize(
    ("name", "counter"),
    [
        ("requests other", "requests.other"),
        ("ms GET unknown", "ms.GET.unknown"),
        ("errors GET /^in/(?P<source>[a-z]+)/$", "errors.GET.in_P_source_a-z"),
    ],
)
def test_names_of_counters(name: str, counter: str) -> None:
    assert counter_name(name) == counter
