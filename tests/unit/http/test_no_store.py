"""No answer of the engine is stored or served by a cache of the whole site: Django's own, wherever it stands."""

import uuid
from typing import Any, Final

import pytest
from django.conf import settings as ours
from django.test import Client
from django.utils.cache import get_max_age

from notifications.store.spool import spool

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]

UPDATE: Final = "django.middleware.cache.UpdateCacheMiddleware"
FETCH: Final = "django.middleware.cache.FetchFromCacheMiddleware"
STRANGER: Final = "203.0.113.9"
WITHOUT_PAGES: Final = [name for name in ours.MIDDLEWARE if not name.endswith("StatusPages")]
PLACES: Final = {
    "around all": [UPDATE, FETCH, *ours.MIDDLEWARE],
    "as Django's documents have it": [UPDATE, *ours.MIDDLEWARE, FETCH],
    "inside": [*ours.MIDDLEWARE, UPDATE, FETCH],
    "without the middleware of the status pages": [UPDATE, *WITHOUT_PAGES, FETCH],
}


@pytest.fixture(params=PLACES, ids=str)
def cached_site(request: pytest.FixtureRequest, settings: Any) -> Client:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": uuid.uuid4().hex}
    }
    settings.CACHE_MIDDLEWARE_SECONDS = 600
    settings.MIDDLEWARE = PLACES[request.param]
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_a_stranger_is_not_told_what_this_machine_was(cached_site: Client, path: str) -> None:
    for method in (cached_site.get, cached_site.head):
        assert method(path).status_code == 200
    assert cached_site.get(path, REMOTE_ADDR=STRANGER).status_code == 404


def test_each_question_is_asked_anew(cached_site: Client) -> None:
    assert b"spool ok" in cached_site.get("/readyz").content
    spool().folder.parent.mkdir(exist_ok=True)
    spool().folder.write_text("in its place is a file, which nobody can look into")
    assert b"spool away" in cached_site.get("/readyz").content


@pytest.mark.usefixtures("engine_sources")
def test_no_answer_may_be_stored(client: Client) -> None:
    answers = {
        "202": client.post("/in/open/", b"x", content_type="text/plain"),
        "303": client.post("/in/form/", {"a": "b"}, headers={"accept": "text/html"}),
        "400, a page": client.post("/in/form/", {}, headers={"accept": "text/html", "idempotency-key": "\t"}),
        "400": client.post("/in/open/", {}, headers={"idempotency-key": "\t"}),
        "401": client.post("/in/signed/", {}),
        "404": client.post("/in/nobody/", {}),
        "405": client.get("/in/open/"),
        "413": client.post("/in/small/", b"x" * 11, content_type="text/plain"),
        "405, a status page": client.post("/healthz"),
        "405, a private page": client.post("/metrics"),
        "404, a private page": client.get("/readyz", REMOTE_ADDR=STRANGER),
        "200": client.get("/healthz"),
        "200, a private page": client.get("/metrics"),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {
        status: int(status[:3]) for status in answers
    }
    kept = {status: answer.get("Cache-Control") for status, answer in answers.items() if not forbids(answer)}
    assert kept == {}


def forbids(answer: Any) -> bool:
    """Django up to 5.2.x knew `private` and `max-age=0` alone, HTTP knows `no-store`."""
    directives = answer.get("Cache-Control", "").split(", ")
    return {"no-store", "private"} <= set(directives) and get_max_age(answer) == 0


@pytest.fixture
def engine_sources(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {
        "open": {"http": True},
        "small": {"http": True, "max_body_bytes": 10},
        "form": {"http": True, "redirect": "/thanks/"},
        "signed": {"http": True, "signature": "stripe", "secrets": ["whsec_x"]},
    }
