"""Any request is answered by an application with the gate as by one without, and leaves the same behind."""

from typing import Any, Final

import pytest
from django.core.handlers.base import BaseHandler
from django.test import override_settings
from hypothesis import Phase, given
from hypothesis import settings as hsettings
from hypothesis import strategies as st

from notifications.models import RawPayload
from tests.support.gate_calls import AtGate, Called
from tests.support.gate_ways import WAYS, Way, environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "_settings")]

PATHS: Final = ["open", "open/", "open//", "small/", "form/", "signed/", "apart/", "internal/", "", "nobody/", "OPEN/"]
HEADERS: Final[dict[str, st.SearchStrategy[str]]] = {
    "HTTP_TRANSFER_ENCODING": st.sampled_from(["chunked", "Chunked", "", "gzip, chunked", "identity"]),
    "HTTP_HOST": st.sampled_from(["testserver", "www.testserver", "evil.example", "", "a b", "testserver:80", "[::1]"]),
    "HTTP_ACCEPT": st.sampled_from(["text/html", "*/*", "application/json, text/html;q=0", ""]),
    "HTTP_COOKIE": st.sampled_from(["", "sessionid=x", f"sessionid={'a' * 32}; csrftoken=b", "sessionid", ";"]),
    "HTTP_USER_AGENT": st.sampled_from(["curl", "evil"]),
    "HTTP_X_FORWARDED_PROTO": st.sampled_from(["https", "http", "https, http", ""]),
    "HTTP_X_FORWARDED_FOR": st.sampled_from(["6.6.6.6", "6.6.6.6, 203.0.113.7", "x", ""]),
    "HTTP_IDEMPOTENCY_KEY": st.text(st.characters(max_codepoint=255), max_size=300),
    "HTTP_X_HUB_SIGNATURE_256": st.sampled_from(["sha256=", "sha1=x", "\xff", "sha256=" + "0" * 64]),
    "HTTP_ORIGIN": st.sampled_from(["null", "https://evil.example"]),
    "HTTP_AUTHORIZATION": st.just("Basic eA=="),
    "HTTP_X_REQUEST_ID": st.just("mine"),
    "CONTENT_TYPE": st.text(st.characters(max_codepoint=255), max_size=40),
}
REQUESTS: Final = st.fixed_dictionaries(
    {
        "path": st.sampled_from([f"/in/{name}" for name in PATHS] + ["/in", "//in/open/", "/in/open/?", "/in/o%70en/"])
        | st.text(st.characters(max_codepoint=255), max_size=12).map("/in/{}".format),
        "body": st.binary(max_size=30),
        "REQUEST_METHOD": st.sampled_from(["POST"] * 8 + ["GET", "PUT", "HEAD", "OPTIONS", "BREW"]),
        "QUERY_STRING": st.text(st.characters(max_codepoint=126), max_size=20),
        "SCRIPT_NAME": st.sampled_from(["", "", "", "/shop"]),
        "wsgi.url_scheme": st.sampled_from(["http", "https"]),
        "REMOTE_ADDR": st.sampled_from(["203.0.113.7", "10.0.0.1", "::1", ""]),
        "SERVER_SOFTWARE": st.sampled_from(["gunicorn/27.0.1", "gunicorn/21.0", "granian/2.8.7", ""]),
        "length": st.sampled_from([None, None, None, "", "0", "1", "31", "x", "-1", "+1", "1_0", "9" * 30, "²", " 1"]),
    },
    optional=HEADERS,
)
SETTINGS: Final = st.fixed_dictionaries(
    {},
    optional={
        "SECURE_SSL_REDIRECT": st.booleans(),
        "SECURE_HSTS_SECONDS": st.just(60),
        "PREPEND_WWW": st.just(True),
        "APPEND_SLASH": st.just(False),
        "SECURE_PROXY_SSL_HEADER": st.just(("HTTP_X_FORWARDED_PROTO", "https")),
        "NOTIFICATIONS_TRUSTED_PROXIES": st.sampled_from([["203.0.113.7"], ["10.0.0.0/8"]]),
    },
)


@pytest.fixture
def _settings(settings: Any, in_transaction: None) -> None:
    secret = "secret" * 8
    settings.ALLOWED_HOSTS = ["testserver", "www.testserver", "[::1]"]
    settings.NOTIFICATIONS_SOURCES = {
        "open": {"http": True},
        "small": {"http": True, "max_body_bytes": 10},
        "form": {"http": True, "redirect": "/thanks/"},
        "signed": {"http": True, "signature": "github", "secrets": [secret]},
        "apart": {"http": True, "signature": "github", "secrets": [secret], "bad_signature": "quarantine"},
        "internal": {},
    }


def answer(way: Way, application: BaseHandler, request: dict[str, Any]) -> Called:
    """From the same state each time."""
    RawPayload.objects.all().delete()
    changes = dict(request)
    length = changes.pop("length")
    changes |= {} if length is None else {"CONTENT_LENGTH": length}
    return way.call(application, environ(**changes))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@hsettings(phases=[Phase.generate], max_examples=25)  # to shrink an example takes minutes
@given(SETTINGS, st.lists(REQUESTS, min_size=1, max_size=3))
def test_the_gate_changes_no_answer(way: Way, changed: dict[str, Any], requests: list[dict[str, Any]]) -> None:
    with override_settings(NOTIFICATIONS_GATE=False, **changed):
        application = way.application()
        by_view = [answer(way, application, request) for request in requests]
    noted = AtGate()
    with override_settings(NOTIFICATIONS_GATE="auto", **changed):
        application = way.application()
        by_gate = [answer(way, application, request) for request in requests]
    noted.close()
    assert by_gate == by_view
    assert len(noted.answered) <= sum(called.status == 202 for called in by_view)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@given(st.binary(max_size=200), st.sampled_from(["open", "open/", "apart/"]))
def test_most_posts_are_answered_at_the_gate(way: Way, body: bytes, name: str) -> None:
    """Or the test above would compare the view with itself."""
    noted = AtGate()
    called = answer(way, way.application(), {"path": f"/in/{name}", "body": body, "length": None})
    noted.close()
    assert (called.status, len(noted.answered), called.stored[0]["body"]) == (202, 1, body)
