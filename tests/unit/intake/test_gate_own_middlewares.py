"""Middlewares of the site that take part at the gate: what they say themselves; what they raise is reported."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import BadHeaderError, HttpResponse
from django.test import override_settings

from notifications.intake.gate import gate as gates
from notifications.models import RawPayload
from notifications.utils.sync_and_async import BothWays
from tests.support.gate_calls import AtGate, Called
from tests.support.gate_ways import Way, environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "_sources")]

DJANGO: Final = "django.middleware.security.SecurityMiddleware"
Effect = tuple[Mapping[str, Any], Mapping[str, Any]] | None


@pytest.fixture
def _sources(settings: Any, in_transaction: None) -> None:
    settings.NOTIFICATIONS_SOURCES = {"open": {"http": True}}


class Own(BothWays):
    """Sets the headers that the request asks for."""

    def __call__(self, request: Any) -> Any:
        return self._answer_async(request) if self.is_async else self._marked(request, self.get_response(request))

    async def _answer_async(self, request: Any) -> Any:
        return self._marked(request, await self.get_response(request))

    def _marked(self, request: Any, response: Any) -> Any:
        for name, value in headers_for(request.META).items():
            response[name] = value
        return response

    @staticmethod
    def at_gate(meta: Mapping[str, Any]) -> Effect:
        return None if "HTTP_X_LEAVE" in meta else ({}, headers_for(meta))


def headers_for(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {"X-Own": meta.get("HTTP_X_OWN", "1"), "cache-control": "no-transform", "X-Number": 1}


class Sub(Own):
    def __call__(self, request: Any) -> Any:
        return HttpResponse(b"closed", status=503)


class Instance(Own):
    def at_gate(self, meta: Any) -> Effect:  # type: ignore[override]
        return {}, {}


class Off(Own):
    def __init__(self, get_response: Any) -> None:
        raise MiddlewareNotUsed

    @staticmethod
    def at_gate(meta: Any) -> Effect:
        raise AssertionError("it is off")


class Raises(Own):
    @staticmethod
    def at_gate(meta: Any) -> Effect:
        raise ZeroDivisionError


class Judges(Own):
    @staticmethod
    def at_gate(meta: Any) -> Effect:
        return {"wsgi.url_scheme": "https"}, {}


class Writes(Own):
    @staticmethod
    def at_gate(meta: Any) -> Effect:
        meta["wsgi.url_scheme"] = "https"
        return {}, {}


def both(way: Way, own: type, **changes: Any) -> tuple[Called, Called]:
    called = []
    for gate in (False, "auto"):
        with override_settings(NOTIFICATIONS_GATE=gate, MIDDLEWARE=[f"{__name__}.{own.__name__}", DJANGO]):
            called.append(way.call(way.application(), environ(**changes)))
    return called[0], called[1]


@pytest.mark.parametrize("value", ["1", "caf\xe9", "\u20ac"])
def test_its_headers_are_as_a_response_has_them(value: str, way: Way, at_gate: AtGate, monkeypatch: Any) -> None:
    monkeypatch.setattr(f"{__name__}.headers_for", lambda _: {"X-Own": value, "cache-control": "x", "X-Number": 1})
    view, gate = both(way, Own)
    assert gate == view
    assert dict(gate.headers)["X-Number"] == "1"
    assert len(at_gate.answered) == 1


def test_it_leaves_a_post_to_django(way: Way, at_gate: AtGate) -> None:
    view, gate = both(way, Own, HTTP_X_LEAVE="1")
    assert gate == view
    assert at_gate.answered == []


@pytest.mark.parametrize("own", [Sub, Instance])
def test_one_that_does_not_say_it_itself_keeps_the_gate_shut(own: type, way: Way, at_gate: AtGate) -> None:
    name = f"{__name__}.{own.__name__}"
    with override_settings(MIDDLEWARE=[name]):
        assert gates.shut_by() == [f"{name} is in MIDDLEWARE"]
    view, gate = both(way, own)
    assert gate == view
    assert at_gate.answered == []


def test_one_that_is_off_does_nothing(way: Way, at_gate: AtGate) -> None:
    view, gate = both(way, Off)
    assert gate == view
    assert len(at_gate.answered) == 1


@pytest.mark.parametrize("own", [Raises, Judges, Writes])
def test_what_it_raises_is_reported_and_nothing_is_stored(own: type, way: Way, at_gate: AtGate) -> None:
    _, gate = both(way, own)
    assert gate.status == 503
    assert dict(gate.headers)["Retry-After"] == "5"
    assert (gate.raised, len(gate.logged), gate.stored) == (["/in/open/"], 1, [])
    assert at_gate.answered == []


def test_so_is_a_header_that_no_response_takes(way: Way, monkeypatch: Any) -> None:
    monkeypatch.setattr(Own, "at_gate", staticmethod(lambda _: ({}, {"X-Own": "a\r\nSet-Cookie: x=1"})))
    _, gate = both(way, Own)
    assert gate.logged[0][-1] is BadHeaderError
    assert (gate.status, gate.stored) == (503, [])
    assert RawPayload.objects.count() == 1  # the view's
