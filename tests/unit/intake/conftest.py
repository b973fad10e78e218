"""Fixtures of the gate's tests."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers import exception
from django.core.handlers.exception import response_for_exception
from django.db import connections
from django.utils import translation

from notifications.http import asgi_servers
from notifications.intake.gate import on_event_loop
from tests.contracts.raw_posts import Uvicorn
from tests.support.gate_calls import AtGate, kept_connections
from tests.support.gate_ways import WAYS, Way, in_tests_thread


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: Any) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def at_gate() -> Iterator[AtGate]:
    noted = AtGate()
    yield noted
    noted.close()


@pytest.fixture
def in_transaction(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The applications work in the test's thread and on its connection."""
    monkeypatch.setattr(on_event_loop, "in_thread", in_tests_thread)
    monkeypatch.setattr(asgi_servers, "PARSERS", {Uvicorn.__module__: ("django", (5, 0))})
    monkeypatch.setattr(exception, "response_for_exception", _without_connections)
    with kept_connections():
        yield


def _without_connections(*arguments: Any) -> Any:
    """Django's own. Under ASGI a thread of the loop calls it: a page for who has a session connects there, for good."""
    try:
        return response_for_exception(*arguments)
    finally:
        if threading.current_thread() is not threading.main_thread():
            connections.close_all()


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    """LocaleMiddleware leaves a request's language to the thread, and a translated route is written in it."""
    yield
    translation.deactivate()
