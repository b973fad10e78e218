"""The ASGI application: what it receives of a body, and that it answers as WSGI does."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application as djangos_application
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient
from django.urls import path

import notifications
from notifications import asgi, wsgi
from notifications.events import emit as events
from notifications.http import asgi_servers
from notifications.intake import received_body
from notifications.intake.gate import on_event_loop
from notifications.models import RawPayload
from tests.contracts.raw_posts import (
    CHUNKED,
    REFUSED,
    SOURCES,
    TAKEN,
    AsgiServer,
    RawPost,
    Uvicorn,
    asgi_answer,
    scope_of,
    words_of,
    wsgi_answer,
)
from tests.support.gate_calls import kept_connections
from tests.support.gate_ways import in_tests_thread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "_sources")]

NO_LENGTH: Final = "send a Content-Length: without one, empty, whole and cut bodies look alike here"


@pytest.fixture
def _sources(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.NOTIFICATIONS_SOURCES = SOURCES
    # The servers themselves are installed elsewhere.
    monkeypatch.setattr(asgi_servers, "PARSERS", {Uvicorn.__module__: ("django", (5, 0))})
    monkeypatch.setattr(on_event_loop, "in_thread", in_tests_thread)
    with kept_connections():
        yield


#: Lengths that `request.body` itself fails on, as `int()` does. No web server hands them on.
NO_NUMBERS: Final = {"no number", "other digits", "huge"}


def reads_body(get_response: Any) -> Any:
    """A middleware of others."""

    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.body is not None
        response: HttpResponse = get_response(request)
        return response

    return middleware


@pytest.mark.parametrize(("status", "post"), REFUSED.values(), ids=REFUSED)
def test_refuses_in_the_same_words_as_wsgi(status: int, post: RawPost) -> None:
    answer = asgi_answer(asgi.Handler(), post)
    assert answer[0] == status
    assert words_of(answer)
    assert answer == wsgi_answer(wsgi.Handler(), post)
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - NO_NUMBERS))
def test_refuses_in_the_same_words_behind_a_middleware_that_reads_bodies(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    status, post = REFUSED[name]
    without = asgi_answer(asgi.Handler(), post)
    settings.MIDDLEWARE = [f"{__name__}.reads_body"]
    assert asgi_answer(asgi.Handler(), post) == without
    assert without[0] == status
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("post", TAKEN.values(), ids=TAKEN)
def test_takes_what_wsgi_takes(post: RawPost) -> None:
    answers = [wsgi_answer(wsgi.Handler(), post), asgi_answer(asgi.Handler(), post)]
    assert [status for status, _ in answers] == [202, 202]
    stored = RawPayload.objects.order_by("pk")
    assert [json.loads(body)["id"] for _, body in answers] == [str(payload.receipt) for payload in stored]
    assert [bytes(payload.body) for payload in stored] == [post.body, post.body]
    kept = [(each.method, each.path, each.query, each.content_type, each.remote_addr) for each in stored]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("headers", [(), CHUNKED], ids=["nothing", "chunks"])
@pytest.mark.parametrize("server", ["another", "another layer", "HTTP/2"])
def test_who_does_not_tell_of_cut_bodies_must_have_a_length(headers: Any, server: str) -> None:
    post = RawPost(length="", headers=headers)
    made = AsgiServer(post) if server == "another" else Uvicorn(post)
    if server == "another layer":
        inner = made.receive

        async def receive() -> dict[str, Any]:
            return await inner()

        made.receive = receive  # type: ignore[method-assign]
    answer = asgi_answer(asgi.Handler(), post, made, http_version="2" if server == "HTTP/2" else "1.1")
    assert answer == (411, json.dumps({"error": NO_LENGTH}))
    assert made.pieces_asked_for == 0


@pytest.mark.parametrize("package", [("django", (99, 0)), ("no-such-package", (0, 0))])
def test_a_parser_that_is_too_old_is_not_trusted(monkeypatch: pytest.MonkeyPatch, package: Any) -> None:
    monkeypatch.setattr(asgi_servers, "PARSERS", {Uvicorn.__module__: package})
    assert asgi_answer(asgi.Handler(), RawPost(length="", headers=CHUNKED))[0] == 411


class TestDjangosOwnApplication:
    """The view behind django.core.asgi, which has read the body before."""

    def test_takes_what_has_a_length(self) -> None:
        post = RawPost(b"\0\xff" * 100)
        assert asgi_answer(djangos_application(), post)[0] == 202
        assert RawPayload.objects.get().body == post.body

    @pytest.mark.parametrize("name", ["no number", "chunks and a length", "too large", "too large, it says", "unknown"])
    def test_refuses_in_the_same_words(self, name: str) -> None:
        _, post = REFUSED[name]
        assert asgi_answer(djangos_application(), post) == wsgi_answer(wsgi.Handler(), post)

    @pytest.mark.parametrize("post", [RawPost(length=""), RawPost(length="", headers=CHUNKED)])
    def test_wants_a_length(self, post: RawPost) -> None:
        assert words_of(asgi_answer(djangos_application(), post)) == NO_LENGTH

    def test_a_body_that_the_server_cut_is_not_stored(self) -> None:
        answer = asgi_answer(djangos_application(), RawPost(b"12345", length="6"))
        assert (answer[0], words_of(answer)) == (400, "the body ended after 5 of 6 bytes")
        assert not RawPayload.objects.exists()

    def test_the_test_client_of_django(self) -> None:
        answer = async_to_sync(AsyncClient().post)("/in/open/", b"12345", content_type="text/plain")
        assert answer.status_code == 202
        assert RawPayload.objects.get().body == b"12345"


def test_a_body_that_the_server_cut_without_a_word_is_not_stored() -> None:
    """As Granian does: fewer bytes than announced, and then the end."""
    answer = asgi_answer(asgi.Handler(), RawPost(b"12345", length="6"), AsgiServer(RawPost(b"12345")))
    assert (answer[0], words_of(answer)) == (400, "the body ended after 5 of 6 bytes")
    answer = asgi_answer(asgi.Handler(), RawPost(b"12345", length="4"), AsgiServer(RawPost(b"12345")))
    assert (answer[0], words_of(answer)) == (400, "the body has more than 4 bytes")
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("name", ["too large, it says", "huge", "unknown", "no number", "chunks and a length"])
def test_what_the_head_decides_is_not_received(name: str) -> None:
    _, post = REFUSED[name]
    server = Uvicorn(post)
    assert asgi_answer(asgi.Handler(), post, server)[0] == REFUSED[name][0]
    assert server.pieces_asked_for == 0


def test_no_more_is_received_than_the_source_takes() -> None:
    post = RawPost(b"x" * 1_000_000, "small", length="", headers=CHUNKED)
    server = Uvicorn(post)
    assert asgi_answer(asgi.Handler(), post, server)[0] == 413
    assert server.pieces_asked_for == 1


def test_a_body_alone_may_be_larger_than_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its source allows it, and nobody else sends."""
    monkeypatch.setattr(received_body, "MOST_BYTES", 100_000)
    post = RawPost(b"x" * 150_000)
    assert asgi_answer(asgi.Handler(), post, Uvicorn(post))[0] == 202


class Stalled(Uvicorn):
    """Sends what it has, then nothing."""

    async def receive(self) -> dict[str, Any]:
        return await super().receive() if self.pieces_left else await asyncio.Future()


Stalled.__module__ = Uvicorn.__module__


def test_a_client_that_sends_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received_body, "LONGEST_SENDING", 0.05)
    post = RawPost(b"12345", length="6", gone=True)
    answer = asgi_answer(asgi.Handler(), post, Stalled(post))
    assert (answer[0], words_of(answer)) == (408, "the request did not arrive in time")
    assert not RawPayload.objects.exists()


def test_all_bodies_together_are_bounded_and_small_ones_always_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received_body, "MOST_BYTES", 100_000)
    monkeypatch.setattr(received_body, "LONGEST_SENDING", 20.0)
    handler = asgi.Handler()
    large = RawPost(b"x" * 90_000, length="90001", gone=True)
    posts = [RawPost(b"y" * 70_000), RawPost(b"z" * received_body.SMALL)]

    async def post_beside_a_slow_one() -> list[int]:
        slow = Stalled(large)
        waiting = asyncio.create_task(handler(scope_of(large), slow.receive, slow.send))
        while slow.pieces_left:
            await asyncio.sleep(0)
        servers = [Uvicorn(post) for post in posts]
        for post, server in zip(posts, servers, strict=True):
            await handler(scope_of(post), server.receive, server.send)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        last = Uvicorn(posts[0])
        await handler(scope_of(posts[0]), last.receive, last.send)
        return [server.answer[0]["status"] for server in (*servers, last)]

    assert async_to_sync(post_beside_a_slow_one)() == [503, 202, 202]


def test_a_client_that_goes_away_while_its_body_is_stored_changes_nothing() -> None:
    """Django would cancel the view, and nobody would know whether it was stored."""
    post = RawPost(b"12345")

    class Gone(Uvicorn):
        async def receive(self) -> dict[str, Any]:
            return await super().receive() if self.pieces_left else {"type": "http.disconnect"}

    assert asgi_answer(asgi.Handler(), post, Gone(post))[0] == 202
    assert RawPayload.objects.get().body == b"12345"


def test_another_page_is_djangos() -> None:
    for page in (RawPost(b"x", "../healthz"), RawPost(b"a=1", "../nothing")):
        server = AsgiServer(page)
        assert asgi_answer(asgi.Handler(), page, server, path=page.path.replace("/in/..", ""))[0] in {404, 405}
        assert server.pieces_asked_for >= 1


@pytest.mark.parametrize("content_type", ["text/plain; a*=bogus''%ff", "text/plain; charset=rot13", "\xff"])
def test_any_content_type(content_type: str) -> None:
    assert asgi_answer(asgi.Handler(), RawPost(headers=(("content-type", content_type),)))[0] == 202
    assert RawPayload.objects.get().content_type == content_type


def test_below_a_prefix() -> None:
    post = RawPost(b"x" * 11, "small")
    server = Uvicorn(post)
    answer = asgi_answer(asgi.Handler(), post, server, path=f"/app{post.path}", root_path="/app")
    assert answer[0] == 413
    assert server.pieces_asked_for == 0


# Views of one's own


@notifications.raw_body
async def own_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await notifications.acapture(request, "small")))


@notifications.raw_body
def own_sync_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(notifications.capture(request, "small")))


urlpatterns = [path("async", own_view), path("sync", own_sync_view)]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("name", ["async", "sync"])
class TestOwnViews:
    def test_is_answered_by_both(self, name: str) -> None:
        post = RawPost(b"x" * 10)
        status, body = asgi_answer(asgi.Handler(), post, path=f"/{name}")
        assert (status, body) == (200, str(RawPayload.objects.get().receipt))
        assert uuid.UUID(body)

    def test_refuses_as_ours(self, name: str) -> None:
        post = RawPost(b"x" * 11)
        answer = asgi_answer(asgi.Handler(), post, path=f"/{name}")
        assert (answer[0], words_of(answer)) == (413, "the body is larger than 10 bytes")
        cut = RawPost(b"12345", length="6", gone=True)
        assert asgi_answer(asgi.Handler(), cut, path=f"/{name}")[0] == 400
        assert not RawPayload.objects.exists()

    def test_receives_what_the_largest_source_takes(self, name: str, settings: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {"small": {"max_body_bytes": 10}, "large": {"max_body_bytes": 20}}
        server = Uvicorn(RawPost(b"x" * 10_000))
        assert asgi_answer(asgi.Handler(), RawPost(b"x" * 10_000), server, path=f"/{name}")[0] == 413
        assert server.pieces_asked_for == 0


# Start and end


class TestStart:
    @pytest.fixture(autouse=True)
    def _set_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django.setup", lambda **_: None)  # it would configure logging anew

    @pytest.mark.parametrize(
        ("vendor", "age", "warned"),
        [("postgresql", None, True), ("postgresql", 60, True), ("postgresql", 0, False), ("sqlite", None, False)],
    )
    def test_warns_of_connections_that_nobody_closes(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, vendor: str, age: Any, warned: bool
    ) -> None:
        database = SimpleNamespace(vendor=vendor, alias="default", settings_dict={"CONN_MAX_AGE": age})
        monkeypatch.setattr(asgi, "connections", SimpleNamespace(all=lambda: [database]))
        asgi.get_asgi_application()
        lines = [record.getMessage() for record in caplog.records if record.name == "notifications.asgi"]
        assert len(lines) == warned
        assert all(f"DATABASES['default'] has CONN_MAX_AGE = {age}" in line for line in lines)

    def test_has_looked_for_the_journal(self) -> None:
        events.process_outbox.cache_clear()
        asgi.get_asgi_application()
        assert events.process_outbox.cache_info().currsize == 1


def test_when_the_server_ends_what_waits_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(asgi, "hand_over", lambda: said.append("handed over"))
    coming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, str]:
        return coming.pop(0)

    async def send(message: dict[str, str]) -> None:
        said.append(message["type"])

    async_to_sync(asgi.Handler())({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "handed over", "lifespan.shutdown.complete"]
