"""The check of the gate names what keeps it shut."""

from typing import Any

import pytest
from django.conf import settings as current
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from notifications.checks.gate import check_gate

OWN = f"{__name__}.own"


def own(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> HttpResponse:
        raise AssertionError("nobody asks")

    return middleware


@pytest.fixture
def _own(settings: Any) -> None:
    settings.MIDDLEWARE = [*current.MIDDLEWARE, OWN]


def said() -> list[tuple[str, str]]:
    return [(str(message.id), message.msg) for message in check_gate()]


def test_it_is_open_at_the_site() -> None:
    assert said() == []


@pytest.mark.usefixtures("_own")
def test_names_a_middleware() -> None:
    text = f"The view answers posts, not the gate: {OWN} is in MIDDLEWARE."
    assert said() == [("notifications.I060", text)]


@pytest.mark.usefixtures("_own")
@pytest.mark.parametrize("gate", [True, False])
def test_whoever_has_decided_is_left_alone(settings: Any, gate: bool) -> None:
    settings.NOTIFICATIONS_GATE = gate
    assert said() == []


@pytest.mark.usefixtures("_own")
def test_so_is_whoever_takes_no_posts(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"internal": {}}
    assert said() == []


def test_what_nobody_can_open_by_hand(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    doubled = [path(prefix, include("notifications.urls")) for prefix in ("", "a/")]
    monkeypatch.setattr(f"{__name__}.urlpatterns", doubled, raising=False)
    settings.ROOT_URLCONF, settings.NOTIFICATIONS_GATE = __name__, True
    ((id_, text),) = said()
    assert id_ == "notifications.W060"
    assert text.endswith("not the gate: the URLs of the engine are included twice.")
    assert text.startswith("NOTIFICATIONS_GATE is True.")
