"""What reaches Django through the WSGI callable that web servers call, not through the test client's own."""

import gc
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import pytest
from django.test import RequestFactory

from notifications.models import RawPayload
from notifications.wsgi import Request
from proppy.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT_TYPES: Final = [
    "text/plain; a*=bogus''%ff",
    "text/plain; a*=undefined''%ff",
    "text/plain; a*='",
    "text/plain; a*0*=x; a*2*=y",
    "text/plain; charset=rot13",
    "text/plain; charset=undefined",
    "text/plain; charset=a\0b",
    "text/plain; charset=\xff",
    "multipart/form-data; boundary=b; charset=rot13",
    "multipart/form-data; boundary=b; a*=bogus''%ff",
    ";",
    "; a*=bogus''%ff",
    "\0\xff;=",
]


def environ(method: str, path: str, content_type: str, body: bytes = b"") -> dict[str, Any]:
    made: dict[str, Any] = RequestFactory().generic(method, path, body).META
    return made | {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}


def status_of(method: str, path: str, content_type: str, body: bytes = b"") -> int:
    statuses: list[str] = []

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return BytesIO().write

    response = application(environ(method, path, content_type, body), start_response)
    response.close()
    return int(statuses[0].split()[0])


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_no_content_type_breaks_a_page(content_type: str) -> None:
    assert status_of("GET", "/?receipt=%ff", content_type) == 200
    assert status_of("GET", "/healthz", content_type) == 200
    assert status_of("GET", "/nothing/?%ff", content_type) == 404


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_body_is_stored_with_the_content_type_that_was_sent(content_type: str) -> None:
    assert status_of("POST", "/in/demo/", content_type, b"\0\xff") == 202
    stored = RawPayload.objects.get()
    assert (stored.body, stored.content_type) == (b"\0\xff", content_type.replace("\0", "\ufffd"))


FORM: Final = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nZo\xc3\xab\r\n--b--\r\n'


def test_what_can_be_parsed_is() -> None:
    request = Request(environ("POST", "/", "multipart/form-data; boundary=b; charset=rot13", FORM))
    assert request.content_type == "multipart/form-data"
    assert request.POST.dict() == {"name": "Zoë"}


def test_what_cannot_be_parsed_is_no_form() -> None:
    request = Request(environ("POST", "/", "multipart/form-data; boundary=b; a*=bogus''%ff", FORM))
    assert (request.content_type, request.content_params, request.POST.dict()) == ("", {}, {})


def test_what_is_loaded_is_not_looked_through_again() -> None:
    """A full collection of it stops all threads for some 20 ms."""
    assert gc.get_freeze_count() > 10_000
