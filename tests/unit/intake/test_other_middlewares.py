"""Middlewares of others that read a body before our view, and those that ask for a login."""

import logging
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponseBase
from django.test import Client

from notifications.models import RawPayload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]

GetResponse = Callable[[HttpRequest], HttpResponseBase]
FORM = "multipart/form-data; boundary=x"
PARTS = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
CHUNKED = {
    "HTTP_TRANSFER_ENCODING": "chunked",
    "CONTENT_LENGTH": "",
    "wsgi.input_terminated": True,
    "SERVER_SOFTWARE": "gunicorn/27.0.1",
}


def _before(read: Callable[[HttpRequest], object], get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        read(request)
        return get_response(request)

    return middleware


def reads_body(get_response: GetResponse) -> GetResponse:
    return _before(lambda request: request.body, get_response)


def reads_form(get_response: GetResponse) -> GetResponse:
    return _before(lambda request: request.POST, get_response)


def reads_stream(get_response: GetResponse) -> GetResponse:
    return _before(lambda request: request.read(), get_response)


def decompresses(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        vars(request)["_body"] = b"longer than it came"  # as such middlewares do
        return get_response(request)

    return middleware


def post(settings: Any, middleware: Any, body: bytes, **environ: Any) -> Any:
    path = f"{__name__}.{middleware.__name__}"
    settings.MIDDLEWARE = [path, *settings.MIDDLEWARE]
    environ.setdefault("CONTENT_LENGTH", str(len(body)))
    return Client().generic("POST", "/in/demo/", **{"wsgi.input": BytesIO(body)} | environ)


@pytest.mark.parametrize("middleware", [reads_body, reads_form])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_django_keeps_is_stored_as_it_came(settings: Any, middleware: Any, content_type: str) -> None:
    assert post(settings, middleware, b"a=1&b=\xff", CONTENT_TYPE=content_type).status_code == 202
    assert RawPayload.objects.get().body == b"a=1&b=\xff"


def test_a_chunked_body_of_which_django_reads_nothing(settings: Any) -> None:
    assert post(settings, reads_body, b"in chunks", **CHUNKED).status_code == 202
    assert RawPayload.objects.get().body == b"in chunks"


@pytest.mark.parametrize("middleware", [reads_form, reads_stream])
def test_a_body_that_is_gone_names_the_middlewares(
    settings: Any, middleware: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = post(settings, middleware, PARTS, CONTENT_TYPE=FORM)
    assert answer.status_code == 400
    assert not RawPayload.objects.exists()
    assert "POST /in/demo/: the body was read before the view, and is gone. " in caplog.text
    assert f"Look at: {__name__}.{middleware.__name__}" in caplog.text
    assert "django.middleware" not in caplog.text


def test_a_body_that_is_cut_by_its_sender_blames_nobody(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert post(settings, reads_body, b"12345", CONTENT_LENGTH="6").status_code == 400
    assert not RawPayload.objects.exists()
    assert "Look at" not in caplog.text


def test_a_body_that_a_middleware_has_altered_is_not_stored(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert post(settings, decompresses, b"short").status_code == 400
    assert not RawPayload.objects.exists()
    assert "a middleware has altered the body" in caplog.text


def test_too_large_is_too_large_whoever_has_read_it(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"http": True, "max_body_bytes": 3}}
    assert post(settings, reads_body, b"1234").status_code == 413


def test_nobody_has_to_log_in_to_post_or_to_ask(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    client = Client()
    assert client.generic("POST", "/in/demo/", b"x").status_code == 202
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
    assert client.get("/in/demo/").status_code == 405
