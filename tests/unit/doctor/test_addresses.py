"""SITE_URL, HEARTBEAT_URL, METRICS_URL and the clocks of neighbours."""

import socket
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
import trustme

from notifications.doctor import Finding, clock
from notifications.utils.limited_sockets import limited_context
from tests.support.ports import free_port
from tests.support.webhook import Receiver, response

Examine = Callable[[str], tuple[list[Finding], int]]
Only = Callable[[str], Finding]


def test_what_is_not_set_is_said(only: Only) -> None:
    assert {only(name).result for name in ("site-url", "heartbeat-url", "statsd")} == {"ok"}


def test_the_site_answers(only: Only, settings: Any, receiver: Receiver) -> None:
    settings.NOTIFICATIONS_SITE_URL = f"http://127.0.0.1:{receiver.port}"
    assert only("site-url").text.endswith(" answers 204")
    receiver.answers(response(502))
    assert only("site-url").advice == "See the log of the web server."


def test_a_site_that_is_away(only: Only, settings: Any) -> None:
    settings.NOTIFICATIONS_SITE_URL = f"http://127.0.0.1:{free_port()}"
    finding = only("site-url")
    assert finding.result == "FAILED"
    assert "Connection refused" in finding.text
    assert "firewall" in finding.advice


def test_a_name_that_nobody_knows(only: Only, settings: Any) -> None:
    settings.NOTIFICATIONS_SITE_URL = "http://shop.invalid"
    finding = only("site-url")
    assert "no name server knows it" in finding.text
    assert finding.advice == "Mend the name, or /etc/resolv.conf."


def test_a_certificate_of_an_unknown_authority(only: Only, settings: Any) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server)
    limited_context.cache_clear()
    with Receiver(server) as receiver:
        settings.NOTIFICATIONS_SITE_URL = f"https://127.0.0.1:{receiver.port}"
        finding = only("site-url")
    assert "its certificate is refused" in finding.text
    assert finding.advice.startswith("Renew or mend")


def test_a_heartbeat_is_not_made(only: Only, settings: Any, receiver: Receiver) -> None:
    settings.NOTIFICATIONS_HEARTBEAT_URL = f"http://127.0.0.1:{receiver.port}/geheim"
    finding = only("heartbeat-url")
    assert finding.result == "ok"
    assert "geheim" not in finding.text
    assert receiver.requests == []
    settings.NOTIFICATIONS_HEARTBEAT_URL = f"http://127.0.0.1:{free_port()}/geheim"
    finding = only("heartbeat-url")
    assert finding.result == "FAILED"
    assert finding.advice.startswith("Is its address right, does it run, and does a firewall or proxy")
    assert "geheim" not in finding.text + finding.advice


def test_a_statsd_server_that_listens_and_one_that_does_not(only: Only, settings: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        settings.NOTIFICATIONS_METRICS_URL = f"statsd://127.0.0.1:{server.getsockname()[1]}"
        assert only("statsd").result == "ok"
    finding = only("statsd")
    assert finding.text.startswith("nobody listens at 127.0.0.1:")
    assert "mend NOTIFICATIONS_METRICS_URL" in finding.advice


@pytest.fixture
def synchronised(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool | None], None]:
    """What the system says of its clock."""
    return lambda state: monkeypatch.setattr(clock, "system_says", lambda: state)


@pytest.mark.parametrize(("state", "result", "status"), [(True, "ok", 0), (False, "warning", 1), (None, "unknown", 3)])
def test_what_the_system_says_of_its_clock(
    examine: Examine, settings: Any, synchronised: Any, state: bool | None, result: str, status: int
) -> None:
    settings.NOTIFICATIONS_CHANNELS = {}
    synchronised(state)
    findings, ended = examine("clock")
    assert (findings[0].result, ended) == (result, status)
    assert bool(findings[0].advice) != bool(state)


def test_the_kernel_answers() -> None:
    assert clock.system_says() in {True, False, None}


@pytest.mark.parametrize(
    ("differs", "text"), [(0, "it agrees with"), (120, "s behind that"), (-3600, "s ahead of that")]
)
def test_the_clock_of_a_neighbour(
    examine: Examine, settings: Any, receiver: Receiver, synchronised: Any, differs: int, text: str
) -> None:
    synchronised(True)
    settings.NOTIFICATIONS_CHANNELS = {}
    settings.NOTIFICATIONS_HEARTBEAT_URL = f"http://127.0.0.1:{receiver.port}/geheim"
    receiver.answers(response(204, Date=formatdate(time.time() + differs, usegmt=True)))
    findings, status = examine("clock")
    assert text in findings[-1].text
    assert status == bool(differs)
    assert findings[-1].advice.startswith("Set the clocks of all machines by NTP") == bool(differs)
    assert [request.path for request in receiver.requests] == ["/"], "not the secret address"


def test_a_neighbour_that_says_no_time(examine: Examine, settings: Any, receiver: Receiver, synchronised: Any) -> None:
    synchronised(True)
    settings.NOTIFICATIONS_CHANNELS = {}
    settings.NOTIFICATIONS_HEARTBEAT_URL = f"http://127.0.0.1:{receiver.port}/geheim"
    findings, status = examine("clock")
    assert findings[-1].result == "unknown"
    assert findings[-1].advice == "The examination of that neighbour says more."
    assert status == 3
