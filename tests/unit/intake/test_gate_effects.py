"""What a post at the gate does besides its answer: counts, the id of the request, the signal, the test client."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as current
from django.test import Client

from notifications import middleware, wsgi
from notifications.errors import NowhereToStore
from notifications.intake.gate import gate
from notifications.middleware import reporter
from notifications.models import RawPayload
from notifications.signals import gate_answered
from notifications.testing import GateClient
from tests.support.gate_calls import AtGate, kept_connections
from tests.support.gate_ways import environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]


@pytest.fixture(autouse=True)
def at_gate() -> Iterator[AtGate]:
    noted = AtGate()
    with kept_connections():
        yield noted
    noted.close()


def post(path: str = "/in/demo/") -> dict[str, str]:
    """The headers of the answer."""
    found: dict[str, str] = {}
    body = wsgi.Handler()(environ(path), lambda status, headers: found.update(headers, status=status))
    body.close()
    return found


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Method, route and status of each request that is counted."""
    counts: list[tuple[Any, ...]] = []
    monkeypatch.setattr(reporter, "add", lambda *what, status, ms: counts.append((*what, status)))
    return counts


def test_it_is_counted_as_behind_the_middleware(settings: Any, counted: list[Any], at_gate: AtGate) -> None:
    post()
    post("/in/demo")
    settings.NOTIFICATIONS_GATE = False
    post()
    post("/in/demo")
    assert counted[:2] == counted[2:] == [("POST", "in/<str:source>/", 202), ("POST", "in/<str:source>", 202)]
    assert len(at_gate.answered) == 2


def test_it_is_not_counted_where_nothing_counts(settings: Any, counted: list[Any], at_gate: AtGate) -> None:
    settings.MIDDLEWARE = [path for path in current.MIDDLEWARE if not path.endswith("RequestStats")]
    post()
    assert counted == []
    assert len(at_gate.answered) == 1


def test_a_refusal_is_counted_once(settings: Any, counted: list[Any], at_gate: AtGate) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"http": True, "max_body_bytes": 1}}
    wsgi.Handler()(environ("/in/demo/", b"xx"), lambda status, headers: None).close()
    assert counted == [("POST", "in/<str:source>/", 413)]
    assert at_gate.answered == []


def test_the_time_of_a_refusal_counts_from_the_gate_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now, milliseconds = [100.0], list[float]()

    def fail(*_: object) -> None:
        now[0] += 2
        raise NowhereToStore("full")

    monkeypatch.setattr("notifications.intake.answer.store_post", fail)
    clock = SimpleNamespace(monotonic=lambda: now[0])
    for module in (middleware, gate):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(reporter, "add", lambda *_, ms, **__: milliseconds.append(ms))
    assert post()["status"].startswith("503")
    settings.NOTIFICATIONS_GATE = False
    assert post()["status"].startswith("503")
    assert milliseconds == [2000, 2000]


def test_each_request_has_an_id_which_the_payload_keeps(at_gate: AtGate) -> None:
    ids = [post()["X-Request-ID"] for _ in range(2)]
    stored = RawPayload.objects.order_by("pk").values_list("headers_json", flat=True)
    assert [json.loads(headers)["x-request-id"] for headers in stored] == ids
    assert len(set(ids)) == len(at_gate.answered) == 2


def test_a_receiver_that_fails_changes_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(**_: Any) -> None:
        raise ZeroDivisionError

    gate_answered.connect(fail)
    try:
        assert post()["status"] == "202 Accepted"
    finally:
        gate_answered.disconnect(fail)
    assert "ZeroDivisionError" in caplog.text


class TestTheTestClient:
    def test_sees_the_gate(self, at_gate: AtGate) -> None:
        by_gate = GateClient().post("/in/demo/", b"x", content_type="x/y")
        assert len(at_gate.answered) == 1
        by_view = Client().post("/in/demo/", b"x", content_type="x/y")
        assert len(at_gate.answered) == 1
        assert by_gate.status_code == by_view.status_code == 202
        assert by_gate.headers.keys() == by_view.headers.keys()
        assert by_gate.resolver_match.route == "in/<str:source>/"
        assert by_gate.json().keys() == {"id"}

    def test_gets_other_pages_and_refusals_as_djangos(self, at_gate: AtGate) -> None:
        client = GateClient()
        assert client.get("/in/demo/").status_code == 405
        assert client.post("/in/nobody/").status_code == 404
        assert client.get("/healthz").status_code == 200
        assert client.generic("POST", "/in/demo/", b"x", CONTENT_LENGTH="2").status_code == 400
        assert at_gate.answered == []

    def test_a_client_that_is_signed_in_goes_to_the_view(self, at_gate: AtGate) -> None:
        client = GateClient()
        client.cookies["sessionid"] = "x" * 32
        assert client.post("/in/demo/", b"x", content_type="x/y").status_code == 202
        assert at_gate.answered == []


def test_a_header_cannot_say_what_was_decided(at_gate: AtGate) -> None:
    """Neither one of that name, nor a text in the environment of the server."""
    decided = {"HTTP_NOTIFICATIONS_DECIDED": "x", "HTTP_NOTIFICATIONS.DECIDED": "x", "notifications.decided": "x"}
    answered: list[str] = []
    for changes in (decided, decided | {"HTTP_COOKIE": "a=b"}):
        wsgi.Handler()(environ("/in/demo/") | changes, lambda status, headers: answered.append(status)).close()
    assert answered == ["202 Accepted"] * 2
    assert len(at_gate.answered) == 1
    assert RawPayload.objects.count() == 2
