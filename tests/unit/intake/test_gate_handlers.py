"""The gate and Django's handlers: what replaces their functions, subclasses, and what a request leaves behind."""

from functools import wraps
from io import BytesIO
from typing import Any, Final

import pytest
from django.conf import settings as current
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings

from notifications import asgi, wsgi
from notifications.checks.gate import check_gate
from notifications.intake.gate import gate as gates
from tests.support.gate_calls import AtGate
from tests.support.gate_ways import WAYS, Asgi, Wsgi, environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "_settings")]


@pytest.fixture
def _settings(settings: Any, in_transaction: None) -> None:
    settings.NOTIFICATIONS_SOURCES = {"open": {"http": True}, "small": {"http": True, "max_body_bytes": 2}}


class Callable:
    """As wrapt makes one."""

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped


def copied(function: Any) -> Any:
    @wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return traced


PATCHED: Final = [
    (WSGIHandler, "__call__"),
    (ASGIHandler, "__call__"),
    (BaseHandler, "get_response"),
    (BaseHandler, "get_response_async"),
    (BaseHandler, "load_middleware"),
]


@pytest.mark.parametrize("by", [copied, Callable])
@pytest.mark.parametrize(("handler", "name"), PATCHED)
def test_what_traces_requests_keeps_it_shut(
    handler: Any, name: str, by: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    assert gates.shut_by() == []
    monkeypatch.setattr(handler, name, by(vars(handler)[name]))
    reason = f"{handler.__module__}.{handler.__name__}.{name} was replaced, as tracers do"
    assert gates.shut_by() == [reason]
    (message,) = check_gate()
    assert message.msg == f"The view answers posts, not the gate: {reason}."
    settings.NOTIFICATIONS_GATE = True
    assert gates.shut_by() == []


def test_a_tracer_sees_a_post(monkeypatch: pytest.MonkeyPatch, at_gate: AtGate) -> None:
    seen: list[str] = []
    original = BaseHandler.get_response

    def traced(self: Any, request: Any) -> Any:
        seen.append(request.path)
        return original(self, request)

    monkeypatch.setattr(BaseHandler, "get_response", traced)
    with override_settings(NOTIFICATIONS_GATE="auto"):  # decides anew
        assert Wsgi().call(wsgi.Handler(), environ()).status == 202
    assert seen == ["/in/open/"]
    assert at_gate.answered == []


class WsgiOfTheirs(wsgi.Handler):
    def get_response(self, request: Any) -> Any:
        return HttpResponse(b"closed", status=503)


class AsgiOfTheirs(asgi.Handler):
    async def get_response_async(self, request: Any) -> Any:
        return HttpResponse(b"closed", status=503)


@pytest.mark.parametrize(("way", "application"), [(Wsgi(), WsgiOfTheirs), (Asgi(), AsgiOfTheirs)])
def test_a_subclass_answers_itself(way: Any, application: Any, at_gate: AtGate) -> None:
    called = way.call(application(), environ())
    assert (called.status, called.body, called.stored) == (503, b"closed", [])
    assert at_gate.answered == []


def test_the_body_of_an_answer_is_no_list(at_gate: AtGate) -> None:
    """Granian joins lists, and does not close them."""
    body = wsgi.Handler()(environ(), lambda *_: None)
    assert not isinstance(body, list)
    assert len(b"".join(body)) > 0
    body.close()
    assert len(at_gate.answered) == 1


seen_bodies: list[bytes] = []


class Reads:
    """Keeps the bodies that it sees."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        seen_bodies.append(request.body)
        return self.get_response(request)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("changes", [{"HTTP_IDEMPOTENCY_KEY": ""}, {"CONTENT_LENGTH": "6"}])
def test_a_middleware_sees_the_body_of_a_post_that_was_refused(
    changes: dict[str, str], way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_bodies.clear()
    with override_settings(NOTIFICATIONS_GATE=True, MIDDLEWARE=[f"{__name__}.Reads", *current.MIDDLEWARE]):
        if way.name == "asgi" and "CONTENT_LENGTH" in changes:
            return  # a body that was cut is refused by Django, too
        assert way.call(way.application(), environ(body=b"hello", **changes)).status == 400
    assert seen_bodies == [b"hello"]


def test_what_was_not_read_stays_in_the_input() -> None:
    stream = BytesIO(b"hello")
    called = Wsgi().call(wsgi.Handler(), environ("/in/small/", b"hello") | {"wsgi.input": stream})
    assert (called.status, stream.tell()) == (413, 0)


class Answers:
    """A middleware that answers every request."""

    def __init__(self, get_response: Any) -> None:
        pass

    def __call__(self, request: Any) -> HttpResponse:
        return HttpResponse(b"closed", status=503)


def test_a_failure_is_in_the_log_though_a_middleware_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("notifications.intake.answer.store_post", fail)
    with override_settings(NOTIFICATIONS_GATE=True, MIDDLEWARE=[f"{__name__}.Answers"]):
        assert Wsgi().call(wsgi.Handler(), environ()).body == b"closed"
    (record,) = (record for record in caplog.records if record.exc_info)
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
