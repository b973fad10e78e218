"""The gate answers as the view does, byte for byte, under WSGI and ASGI; what it does not answer, Django answers."""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

import django
import pytest
from django.conf import settings as current
from django.http import HttpRequest
from django.test import override_settings
from django.urls import set_urlconf
from django.utils import timezone, translation

from notifications.errors import KeyReused, NowhereToStore
from notifications.http.signatures import sign
from notifications.intake.gate import gate as gates
from notifications.models import RawPayload
from notifications.utils.times import utc_now
from tests.support.gate_calls import AtGate, Called
from tests.support.gate_ways import WAYS, Way, environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "_sources")]

SECRET: Final = "secret" * 8
SOURCES: Final[dict[str, dict[str, Any]]] = {
    "open": {"http": True},
    "small": {"http": True, "max_body_bytes": 10},
    "form": {"http": True, "redirect": "/thanks/"},
    "signed": {"http": True, "signature": "github", "secrets": [SECRET]},
    "apart": {"http": True, "signature": "github", "secrets": [SECRET], "bad_signature": "quarantine"},
    "rare": {"http": True, "rate": "1/hour"},
    "wrong": {"http": True, "max_body_bytes": "many"},
    "internal": {},
}
CSP: Final = {"DIRECTIVES": {"default-src": ["'self'"]}, "EXCLUDE_URL_PREFIXES": ["/in/small/"]}
DJANGO: Final = "django.middleware."
STOCK: Final = [
    f"{DJANGO}security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    f"{DJANGO}common.CommonMiddleware",
    f"{DJANGO}csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    f"{DJANGO}clickjacking.XFrameOptionsMiddleware",
]
PROXIES: Final = "notifications.proxies.TrustedProxies"


@pytest.fixture
def _sources(settings: Any, in_transaction: None) -> None:
    settings.NOTIFICATIONS_SOURCES = SOURCES


def both(way: Way, make: Callable[[], dict[str, Any]], **changed: Any) -> tuple[Called, Called]:
    """What the view answers, and what an application with the gate in front does, from the same state."""
    called = []
    for gate in (False, getattr(current, "NOTIFICATIONS_GATE", "auto")):
        with override_settings(**{"NOTIFICATIONS_GATE": gate} | changed):
            called.append(way.call(way.application(), make()))
    return called[0], called[1]


def headers(called: Called) -> dict[str, str]:
    return dict(called.headers)


STORED: Final[dict[str, dict[str, Any]]] = {
    "plain": {},
    "without the slash": {"path": "/in/open"},
    "empty": {"body": b""},
    "bytes": {"body": bytes(range(256)) * 300},
    "in chunks": {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"},
    "a query": {"QUERY_STRING": "a=%00&b=%FF"},
    "any content type": {"CONTENT_TYPE": "text/plain; charset=rot13"},
    "no content type": {"CONTENT_TYPE": None},
    "credentials": {"HTTP_AUTHORIZATION": "Bearer x", "HTTP_X_SHOP": "42"},
    "an id of the client": {"HTTP_X_REQUEST_ID": "mine"},
    "an empty cookie": {"HTTP_COOKIE": ""},
    "a sub-path": {"SCRIPT_NAME": "/shop"},
    "a sub-path with a slash": {"SCRIPT_NAME": "/shop/"},
    "another method, it says": {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"},
    "a program at a form": {"path": "/in/form/", "HTTP_ACCEPT": "application/json"},
    "to quarantine": {"path": "/in/apart/"},
    "a key": {"HTTP_IDEMPOTENCY_KEY": "k"},
    "no host": {"HTTP_HOST": None},
    "HTTPS": {"wsgi.url_scheme": "https"},
}


@pytest.mark.parametrize("changes", STORED.values(), ids=STORED)
@pytest.mark.parametrize("secure", [False, True], ids=["", "hsts"])
def test_what_is_stored_is_answered_alike(changes: dict[str, Any], secure: bool, at_gate: AtGate, way: Way) -> None:
    hsts = {"SECURE_HSTS_SECONDS": 60, "SECURE_HSTS_PRELOAD": True} if secure else {}
    # A key's second post finds the first row.
    view, gate = both(way, lambda: environ(**changes), CONTENT_SECURITY_POLICY=CSP, **hsts)
    assert len(at_gate.answered) == way.knows_path_of(environ(**changes))
    assert gate.status == 202
    if "HTTP_IDEMPOTENCY_KEY" in changes:
        assert (len(view.stored), gate.stored) == (1, [])
        gate.stored = view.stored
    assert gate == view
    assert gate.stored


DJANGOS: Final[dict[str, dict[str, Any]]] = {
    "GET": {"REQUEST_METHOD": "GET"},
    "HEAD": {"REQUEST_METHOD": "HEAD"},
    "OPTIONS": {"REQUEST_METHOD": "OPTIONS"},
    "unknown": {"path": "/in/nobody/"},
    "none": {"path": "/in/"},
    "internal": {"path": "/in/internal/"},
    "twice a slash": {"path": "/in/open//"},
    "a deeper path": {"path": "/in/open/open/"},
    "another page": {"path": "/nothing/"},
    "no path": {"path": ""},
    "not ASCII": {"path": "/in/open\xff/"},
    "a newline": {"path": "/in/open\n"},
    "a browser": {"path": "/in/form/", "HTTP_ACCEPT": "text/html"},
    "too short": {"CONTENT_LENGTH": "5"},
    "no number": {"CONTENT_LENGTH": "five"},
    "two lengths": {"HTTP_TRANSFER_ENCODING": "chunked"},
    "no length": {"CONTENT_LENGTH": "", "SERVER_SOFTWARE": "granian/2"},
    "too large": {"path": "/in/small/", "body": b"x" * 11},
    "no signature": {"path": "/in/signed/"},
    "a bad key": {"HTTP_IDEMPOTENCY_KEY": ""},
    "wrong settings": {"path": "/in/wrong/"},
    "another host": {"HTTP_HOST": "evil.example"},
    "no valid host": {"HTTP_HOST": "a b"},
    "a cookie": {"HTTP_COOKIE": "sessionid=x"},
    "a cookie of a session": {"HTTP_COOKIE": f"sessionid={'x' * 32}"},
}


@pytest.mark.parametrize("changes", DJANGOS.values(), ids=DJANGOS)
def test_all_else_django_answers(changes: dict[str, Any], at_gate: AtGate, way: Way) -> None:
    view, gate = both(way, lambda: environ(**changes), CONTENT_SECURITY_POLICY=CSP)
    assert at_gate.answered == []
    assert gate == view


#: What servers of ASGI do not hand on like this.
WSGI_ALONE: Final[dict[str, dict[str, Any]]] = {
    "small letters": {"REQUEST_METHOD": "post"},
    "rewritten by Apache": {"REDIRECT_URL": "/shop/in/open/"},
    "no input that ends": {"CONTENT_LENGTH": "", "wsgi.input_terminated": None},
}


@pytest.mark.parametrize("changes", WSGI_ALONE.values(), ids=WSGI_ALONE)
def test_so_it_does_for_what_only_wsgi_has(changes: dict[str, Any], at_gate: AtGate) -> None:
    view, gate = both(WAYS[0], lambda: environ(**changes))
    assert at_gate.answered == []
    assert gate == view


def test_a_query_that_is_no_text_is_what_django_makes_of_it(at_gate: AtGate, way: Way) -> None:
    view, gate = both(way, lambda: environ(QUERY_STRING="a=\xff"))
    assert gate == view
    assert gate.status == (202 if way is WAYS[0] else 400)


def test_a_good_signature(at_gate: AtGate, way: Way) -> None:
    signature = sign("github", b"x", SECRET, 0)["x-hub-signature-256"]
    view, gate = both(way, lambda: environ("/in/signed/", HTTP_X_HUB_SIGNATURE_256=signature))
    assert gate == view
    assert at_gate.answered == [("in/<str:source>/", 202)]


@pytest.mark.usefixtures("rate_limits")
def test_a_rate_limit_counts_each_post_once(at_gate: AtGate, way: Way) -> None:
    with override_settings(NOTIFICATIONS_GATE="auto"):
        application = way.application()
        called = [way.call(application, environ("/in/rare/")) for _ in range(3)]
    assert [each.status for each in called] == [202, 429, 429]
    assert [len(each.logged) for each in called] == [0, 1, 1]
    assert "Retry-After" in headers(called[1])
    assert len(at_gate.answered) == 1


@pytest.mark.parametrize("error", [NowhereToStore("full"), KeyReused("used"), ZeroDivisionError("nobody expects it")])
def test_what_fails_is_reported_as_the_view_reports_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("notifications.intake.capture_post.store", fail)
    view, gate = both(way, environ)
    assert gate == view
    assert gate.status == (422 if isinstance(error, KeyReused) else 503)
    assert len(gate.logged) == 1
    assert gate.raised == (["/in/open/"] if isinstance(error, ZeroDivisionError) else [])


FORWARDED: Final = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "6.6.6.6"}
#: Settings, and changes of the request; whether the gate answers.
EFFECTS: Final[dict[str, tuple[bool, dict[str, Any], dict[str, Any]]]] = {
    "stock": (True, {"MIDDLEWARE": STOCK}, {}),
    "no middleware": (True, {"MIDDLEWARE": []}, {}),
    "to HTTPS": (False, {"SECURE_SSL_REDIRECT": True}, {}),
    "to HTTPS elsewhere": (False, {"SECURE_SSL_REDIRECT": True, "SECURE_SSL_HOST": "a.example"}, {}),
    "HTTPS already": (True, {"SECURE_SSL_REDIRECT": True}, {"wsgi.url_scheme": "https"}),
    "exempt": (True, {"SECURE_SSL_REDIRECT": True, "SECURE_REDIRECT_EXEMPT": ["^in/"]}, {}),
    "a proxy of ours": (
        True,
        {
            "SECURE_SSL_REDIRECT": True,
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            "NOTIFICATIONS_TRUSTED_PROXIES": ["203.0.113.0/24"],
        },
        FORWARDED,
    ),
    "a proxy of somebody": (
        False,
        {
            "SECURE_SSL_REDIRECT": True,
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            "NOTIFICATIONS_TRUSTED_PROXIES": ["10.0.0.1"],
        },
        FORWARDED,
    ),
    "no proxy": (True, {"NOTIFICATIONS_TRUSTED_PROXIES": []}, FORWARDED),
    "a proxy that does not count": (True, {"NOTIFICATIONS_TRUSTED_PROXIES": ["10.0.0.1"]}, FORWARDED),
    "HSTS of all": (
        True,
        {"SECURE_HSTS_SECONDS": 9, "SECURE_HSTS_INCLUDE_SUBDOMAINS": True},
        {"wsgi.url_scheme": "https"},
    ),
    "other security headers": (
        True,
        {
            "SECURE_CONTENT_TYPE_NOSNIFF": False,
            "SECURE_REFERRER_POLICY": "a,b",
            "SECURE_CROSS_ORIGIN_OPENER_POLICY": None,
        },
        {},
    ),
    "CSP excludes": (True, {}, {"path": "/in/small/"}),
    "CSP reports": (True, {"CONTENT_SECURITY_POLICY_REPORT_ONLY": CSP}, {}),
    "frames": (True, {"X_FRAME_OPTIONS": "SAMEORIGIN"}, {}),
    "www.": (False, {"PREPEND_WWW": True}, {}),
    "www. is there": (True, {"PREPEND_WWW": True, "ALLOWED_HOSTS": ["*"]}, {"HTTP_HOST": "www.a.example"}),
    "a user agent": (True, {"DISALLOWED_USER_AGENTS": [re.compile("evil")]}, {"HTTP_USER_AGENT": "good"}),
    "a bad user agent": (False, {"DISALLOWED_USER_AGENTS": [re.compile("evil")]}, {"HTTP_USER_AGENT": "evil"}),
    "a forwarded host": (False, {"USE_X_FORWARDED_HOST": True}, {"HTTP_X_FORWARDED_HOST": "evil.example"}),
    "a forwarded host that does not count": (True, {}, {"HTTP_X_FORWARDED_HOST": "evil.example"}),
    "no slash appended": (True, {"APPEND_SLASH": False}, {"path": "/in/open"}),
    "a forced sub-path": (True, {"FORCE_SCRIPT_NAME": "/shop"}, {}),
    "tokens in sessions": (True, {"CSRF_USE_SESSIONS": True, "MIDDLEWARE": STOCK}, {}),
    "sessions are always saved": (True, {"SESSION_SAVE_EVERY_REQUEST": True}, {}),
    "languages": (
        True,
        {"MIDDLEWARE": [*STOCK[:2], f"{DJANGO}locale.LocaleMiddleware", *STOCK[2:]]},
        {"HTTP_ACCEPT_LANGUAGE": "de"},
    ),
    "zipped": (
        True,
        {"MIDDLEWARE": [f"{DJANGO}gzip.GZipMiddleware", f"{DJANGO}http.ConditionalGetMiddleware", *STOCK]},
        {"HTTP_ACCEPT_ENCODING": "gzip"},
    ),
    "cached": (
        True,
        {"MIDDLEWARE": [f"{DJANGO}cache.UpdateCacheMiddleware", *STOCK, f"{DJANGO}cache.FetchFromCacheMiddleware"]},
        {},
    ),
    "all must log in": (True, {"MIDDLEWARE": [*STOCK, "django.contrib.auth.middleware.LoginRequiredMiddleware"]}, {}),
    "debug": (True, {"DEBUG": True}, {}),
}
if django.VERSION >= (6, 0):
    EFFECTS["Django's own CSP"] = (
        True,
        {
            "MIDDLEWARE": [*STOCK, f"{DJANGO}csp.ContentSecurityPolicyMiddleware"],
            "SECURE_CSP": {"default-src": ["'self'", "<CSP_NONCE_SENTINEL>"]},
            "SECURE_CSP_REPORT_ONLY": {"img-src": ["'self'"]},
        },
        {},
    )


@pytest.mark.parametrize(("opens", "changed", "changes"), EFFECTS.values(), ids=EFFECTS)
def test_middlewares_have_the_same_effect(
    opens: bool, changed: dict[str, Any], changes: dict[str, Any], at_gate: AtGate, way: Way
) -> None:
    view, gate = both(way, lambda: environ(**changes), **{"CONTENT_SECURITY_POLICY": CSP} | changed)
    assert gate == view
    with override_settings(**changed):
        assert bool(at_gate.answered) is (opens and way.knows_path_of(environ(**changes)))


def test_the_language_of_one_is_not_the_language_of_the_next(at_gate: AtGate, way: Way) -> None:
    languages = {"MIDDLEWARE": [f"{DJANGO}locale.LocaleMiddleware"]}
    with override_settings(**languages):
        application = way.application()
        called = [
            way.call(application, environ(HTTP_ACCEPT_LANGUAGE=language)) for language in ("de", "fr", "de", "nothing")
        ]
    assert [headers(each)["Content-Language"] for each in called] == ["de", "fr", "de", "en"]
    assert len(at_gate.answered) == 4


urlpatterns: list[Any] = []
#: What an earlier request may have left to its thread.
LEFT: Final[dict[str, Callable[[], Any]]] = {
    "a time zone": lambda: timezone.activate("Pacific/Kiritimati"),
    "a URLconf": lambda: set_urlconf(__name__),
    "a language": lambda: translation.activate("de"),
}


@pytest.fixture
def _thread() -> Iterator[None]:
    yield
    timezone.deactivate()
    set_urlconf(None)


@pytest.mark.usefixtures("_thread")
@pytest.mark.parametrize("path", ["/in/open/", "/in/open"])
@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
def test_what_is_left_to_the_thread_changes_nothing(
    leave: Callable[[], Any], path: str, at_gate: AtGate, way: Way
) -> None:
    def make() -> dict[str, Any]:
        leave()
        return environ(path)

    began = utc_now()
    with override_settings(MIDDLEWARE=[*STOCK[:2], f"{DJANGO}locale.LocaleMiddleware", *STOCK[2:]]):
        fresh = way.call(way.application(), environ(path))
        view, gate = both(way, make)
        next_page = way.call(way.application(), environ(path, REQUEST_METHOD="GET"))
    assert gate == view == fresh
    assert gate.status == 202
    assert len(at_gate.answered) == 2
    assert next_page.status == 405
    times = [(row.received_at, row.next_attempt_at) for row in RawPayload.objects.all()]
    assert len(times) == 3
    assert all(began <= at <= utc_now() for row in times for at in row)


class Own:
    """A middleware of the project's own."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        response = self.get_response(request)
        response["X-Own"] = "1"
        return response


class TestWhatKeepsItShut:
    def test_a_middleware_that_is_not_known(self, at_gate: AtGate, way: Way) -> None:
        name = f"{__name__}.Own"
        with override_settings(MIDDLEWARE=[*current.MIDDLEWARE, name]):
            assert gates.shut_by() == [f"{name} is in MIDDLEWARE"]
            view, gate = both(way, environ)
            assert gate == view
            assert headers(gate)["X-Own"] == "1"
        assert at_gate.answered == []

    def test_proxies_that_are_judged_after_the_scheme(self, at_gate: AtGate, way: Way) -> None:
        with override_settings(MIDDLEWARE=[*STOCK, PROXIES]):
            assert gates.shut_by() == [f"{PROXIES} is in MIDDLEWARE behind others, which see another scheme"]
            view, gate = both(way, environ)
        assert gate == view
        assert at_gate.answered == []

    def test_the_setting(self, at_gate: AtGate, way: Way) -> None:
        with override_settings(NOTIFICATIONS_GATE=False):
            assert way.call(way.application(), environ()).status == 202
        assert at_gate.answered == []

    def test_but_not_where_the_setting_opens_it(self, at_gate: AtGate, way: Way) -> None:
        with override_settings(NOTIFICATIONS_GATE=True, MIDDLEWARE=[*STOCK, f"{__name__}.Own"]):
            assert gates.shut_by() == []
            assert "X-Own" not in headers(way.call(way.application(), environ()))
        assert len(at_gate.answered) == 1


def test_urls_that_cannot_be_imported_are_djangos_to_report(settings: Any, at_gate: AtGate) -> None:
    way = WAYS[0]  # under ASGI Django leaves the file of the body open then
    application = way.application()
    settings.ROOT_URLCONF = "tests.no_such_module"
    with pytest.raises(ModuleNotFoundError):
        way.call(application, environ())
    assert at_gate.answered == []


def test_the_input_of_a_post_for_another_page_is_not_touched() -> None:
    stream = BytesIO(b"x")
    WAYS[0].call(WAYS[0].application(), environ("/nothing/") | {"wsgi.input": stream})
    assert stream.tell() == 0
