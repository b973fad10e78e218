"""The rehearsal: how often the middlewares run, and what is remembered."""

from typing import Any, Final

import pytest
from django.middleware.security import SecurityMiddleware
from django.test import override_settings

from notifications import wsgi
from tests.support.gate_calls import AtGate
from tests.support.gate_ways import Wsgi, environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "_sources")]

SOURCES: Final = [f"s{number}" for number in range(300)]
BY_PATH: Final[dict[str, dict[str, Any]]] = {
    "exempt from HTTPS": {"SECURE_SSL_REDIRECT": True, "SECURE_REDIRECT_EXEMPT": ["^in/s[0-9]*[02468]/"]},
    "exempt from CSP": {
        "CONTENT_SECURITY_POLICY": {"DIRECTIVES": {"default-src": ["'self'"]}, "EXCLUDE_URL_PREFIXES": ["/in/s1/"]}
    },
}


@pytest.fixture
def _sources(settings: Any, in_transaction: None) -> None:
    settings.NOTIFICATIONS_SOURCES = {name: {"http": True} for name in SOURCES}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that a middleware has looked at."""
    found: list[str] = []
    original = SecurityMiddleware.process_request

    def process_request(self: Any, request: Any) -> Any:
        found.append(request.path)
        return original(self, request)

    monkeypatch.setattr(SecurityMiddleware, "process_request", process_request)
    return found


def test_once_for_all_sources(seen: list[str], at_gate: AtGate) -> None:
    application = wsgi.Handler()
    for name in SOURCES[:20]:
        assert Wsgi().call(application, environ(f"/in/{name}/")).stored[0]["path"] == f"/in/{name}/"
    assert len(seen) == 1
    assert len(at_gate.answered) == 20


@pytest.mark.parametrize("changed", BY_PATH.values(), ids=BY_PATH)
def test_once_for_each_path_if_a_middleware_minds_it(changed: dict[str, Any], seen: list[str], at_gate: AtGate) -> None:
    with override_settings(**changed):
        application = wsgi.Handler()
        paths = [f"/in/{name}{slash}" for name in SOURCES for slash in ("", "/")]
        for _ in range(2):
            for path in paths:
                environ_ = environ(path, b"", **{"wsgi.url_scheme": "https"})
                application(environ_, lambda *_: None).close()
    assert sorted(seen) == sorted(paths)
    assert len(at_gate.answered) == 2 * len(paths)


def test_one_is_redirected_and_another_is_not(at_gate: AtGate) -> None:
    with override_settings(**BY_PATH["exempt from HTTPS"]):
        application = wsgi.Handler()
        statuses = [Wsgi().call(application, environ(f"/in/{name}/")).status for name in SOURCES[:4] * 2]
    assert statuses == [202, 301] * 4
    assert len(at_gate.answered) == 4


def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch, at_gate: AtGate) -> None:
    def fail(*_: object) -> None:
        raise OSError("it passes")

    application = wsgi.Handler()
    with monkeypatch.context() as failing:
        failing.setattr(SecurityMiddleware, "process_request", fail)
        assert Wsgi().call(application, environ("/in/s1/")).status == 500
    assert Wsgi().call(application, environ("/in/s1/")).status == 202
    assert len(at_gate.answered) == 1
