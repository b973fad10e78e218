"""Where the URLs have the intake: what is not certain at the start keeps the gate shut, and the view answers."""

from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.test import override_settings
from django.urls import include, path, re_path
from django.urls.resolvers import URLPattern
from django.utils.functional import lazy
from django.utils.translation import get_language, override
from django.views.decorators.csrf import csrf_exempt

from notifications import views, wsgi
from notifications.checks.gate import check_gate
from notifications.intake.gate import gate as gates
from notifications.models import RawPayload
from tests.support.gate_calls import AtGate, Called, kept_connections
from tests.support.gate_ways import Wsgi, environ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]

Urls = Callable[[list[Any]], None]


@pytest.fixture
def urls(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Urls]:
    settings.NOTIFICATIONS_SOURCES = {"open": {"http": True}, "demo": {"http": True}, "a/b": {"http": True}}

    def use(patterns: list[Any]) -> None:
        monkeypatch.setattr(f"{__name__}.urlpatterns", patterns, raising=False)
        settings.ROOT_URLCONF = __name__

    with kept_connections():
        yield use


def both(path_: str, **changes: Any) -> tuple[Called, Called]:
    """What the view answers, and what an application with the gate in front does."""
    called = []
    for gate in (False, "auto"):
        with override_settings(NOTIFICATIONS_GATE=gate):
            called.append(Wsgi().call(wsgi.Handler(), environ(path_, **changes)))
    return called[0], called[1]


@csrf_exempt
def page(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse(b"page")


def for_the_office(view: Any) -> Any:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return HttpResponseForbidden(b"no")

    return wrapped


class Matching(URLPattern):
    """One that matches in its own way."""


def _text(german: str, other: str) -> str:
    return german if get_language() == "de" else other


translated = lazy(_text, str)
ENGINE: Final = include("notifications.urls")
ROUTE: Final = "in/<str:source>/"
NOT_LITERAL: Final = "no literal text leads to the intake in the URLs"
DECORATED: Final = "the view of the intake is decorated in the URLs"
ARGUMENTS: Final = "the URLs of the engine have arguments of their own"
LANGUAGE: Final = "the URLs of the engine change with the language"


def in_front(route: str) -> str:
    return f"the pattern {route!r} is in front of the engine's URLs, and may match theirs"


#: URLs, the path of a source, and what keeps the gate shut.
SHUT: Final[dict[str, tuple[list[Any], str, str]]] = {
    "none": ([], "/in/open/", NOT_LITERAL),
    "doubled": ([path("", ENGINE), path("proppy/", ENGINE)], "/in/open/", "the URLs of the engine are included twice"),
    "a regular expression": ([re_path(r"^in/(?P<source>[^/]+)/$", views.intake)], "/in/open/", NOT_LITERAL),
    "below one": ([re_path(r"^a/", ENGINE)], "/a/in/open/", NOT_LITERAL),
    "decorated": ([path(ROUTE, for_the_office(views.intake))], "/in/open/", DECORATED),
    "partial": ([path(ROUTE, partial(views.intake))], "/in/open/", DECORATED),
    "decorated elsewhere": (
        [path("", ENGINE), path(f"b/{ROUTE}", for_the_office(views.intake))],
        "/in/open/",
        DECORATED,
    ),
    "an argument": ([path(ROUTE, views.intake, {"source": "demo"})], "/in/open/", ARGUMENTS),
    "translated": (
        [path(translated("post/", "in/"), include([path("<str:source>/", views.intake)]))],
        "/in/open/",
        LANGUAGE,
    ),
    "a translated route": ([path(translated(ROUTE, ROUTE), views.intake)], "/in/open/", LANGUAGE),
    "a language": (i18n_patterns(path("", ENGINE)), "/en/in/open/", LANGUAGE),
    "a page in front": ([path("in/open/", page), path("", ENGINE)], "/in/open/", in_front("in/open/")),
    "a catch-all": ([path("<path:any>", page), path("", ENGINE)], "/in/open/", in_front("<path:any>")),
    "an argument in front": (
        [path("in/<slug:any>/", page), path("", ENGINE)],
        "/in/open/",
        in_front("in/<slug:any>/"),
    ),
    "an include in front": (
        [path("in/", include([path("<slug:any>/", page)])), path("", ENGINE)],
        "/in/open/",
        in_front("in/<slug:any>/"),
    ),
    "a translated page": (
        [path(translated("in/open/", "pages/"), page), path("", ENGINE)],
        "/in/open/",
        in_front("pages/"),
    ),
    "a catch-all of a language": (
        [*i18n_patterns(path("<path:any>", page), prefix_default_language=False), path("", ENGINE)],
        "/in/open/",
        in_front("<path:any>"),
    ),
    "any pattern of another class": (
        [Matching(path("x/", page).pattern, page), path("", ENGINE)],
        "/in/open/",
        in_front("Matching"),
    ),
    "no pattern at all": (
        [SimpleNamespace(resolve=lambda _: None, pattern=None), path("", ENGINE)],
        "/in/open/",
        in_front("SimpleNamespace"),
    ),
    **{
        f"regular expression {regex} in front": (
            [re_path(regex, page), path("", ENGINE)],
            "/in/open/",
            in_front(regex),
        )
        for regex in (r"open", r"^i?", r"^in", r"^in/op+en", r"^x|^in/open", r"(?i)^IN/", r"^\w+/", r"^in/open/$")
    },
}


@pytest.mark.parametrize(("patterns", "path_", "reason"), SHUT.values(), ids=SHUT)
def test_the_view_answers(patterns: list[Any], path_: str, reason: str, urls: Urls, at_gate: AtGate) -> None:
    urls(patterns)
    assert gates.shut_by() == [reason]
    view, gate = both(path_)
    assert gate == view
    assert at_gate.answered == []


def test_below_an_argument_or_with_one_the_view_fails(urls: Urls) -> None:
    for patterns, reason in (
        ([path("<str:tenant>/", ENGINE)], NOT_LITERAL),
        ([path("", ENGINE, {"tenant": "x"})], ARGUMENTS),
    ):
        urls(patterns)
        assert gates.shut_by() == [reason]


#: URLs that are certain, and the path of a source there.
OPEN: Final[dict[str, tuple[list[Any], str]]] = {
    "a prefix": ([path("proppy/", include([path("engine/", ENGINE)]))], "/proppy/engine/in/open/"),
    "by hand": ([path(ROUTE, views.intake)], "/in/open/"),
    "no folder": ([path("hook-<str:source>", views.intake)], "/hook-open"),
    "other pages in front": (
        [
            path("", page),
            path("in/", page),
            path("shop/<path:any>", page),
            path("inn/", include([path("<path:any>", page)])),
            re_path(r"^$", page),
            re_path(r"^media/(?P<path>.*)$", page),
            re_path(r"^shop/", include([re_path(r"", page)])),
            *i18n_patterns(),
            path("", ENGINE),
        ],
        "/in/open/",
    ),
    "what is behind": (
        [path("", ENGINE), *i18n_patterns(path("<path:any>", page)), re_path("", page)],
        "/in/open/",
    ),
}


@pytest.mark.parametrize(("patterns", "path_"), OPEN.values(), ids=OPEN)
def test_the_gate_answers(patterns: list[Any], path_: str, urls: Urls, at_gate: AtGate) -> None:
    urls(patterns)
    assert gates.shut_by() == []
    view, gate = both(path_)
    assert gate == view
    assert len(at_gate.answered) == 1


@pytest.mark.parametrize("path_", ["/in/open", "/in/a/b/", "/in/a/b", "/in/"])
def test_a_path_that_no_route_matches_is_djangos(path_: str, urls: Urls, at_gate: AtGate) -> None:
    urls([path(ROUTE, views.intake)])
    view, gate = both(path_)
    assert gate == view
    assert at_gate.answered == []


@pytest.mark.parametrize("where", ["static", "root"])
def test_files_of_whitenoise_answer_before_the_intake(where: str, urls: Urls, at_gate: AtGate, tmp_path: Path) -> None:
    folder = tmp_path / ("hook-open" if where == "root" else "")
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text("page")
    urls([path("hook-<str:source>/", views.intake)])
    static = {"STATIC_URL": "/hook-open/", "STATIC_ROOT": tmp_path}
    root = {"STATIC_URL": "/static/", "STATIC_ROOT": None, "WHITENOISE_ROOT": tmp_path}
    whitenoise = {"MIDDLEWARE": ["whitenoise.middleware.WhiteNoiseMiddleware"], "WHITENOISE_INDEX_FILE": True}
    with override_settings(**whitenoise, **(static if where == "static" else root)):
        assert gates.shut_by() == ["WhiteNoise may have files below /hook-"]
        view, gate = both("/hook-open/")
    assert (gate, gate.status) == (view, 405)
    assert at_gate.answered == []


def test_the_language_of_the_thread_decides_nothing(urls: Urls, at_gate: AtGate) -> None:
    with override_settings(MIDDLEWARE=["django.middleware.locale.LocaleMiddleware"]):
        urls([path(translated("in/open/", "pages/"), page), path("", ENGINE)])
        with override("en"):
            for language in ("en", "de", "en"):
                view, gate = both("/in/open/", HTTP_ACCEPT_LANGUAGE=language)
                assert gate == view
                assert (gate.body == b"page") is (language == "de")
    assert at_gate.answered == []


def test_the_check_says_so(urls: Urls) -> None:
    urls([path(ROUTE, for_the_office(views.intake))])
    (message,) = check_gate()
    assert (message.id, message.msg) == ("notifications.I060", f"The view answers posts, not the gate: {DECORATED}.")


def test_what_cannot_be_built_is_logged_once(urls: Urls, caplog: pytest.LogCaptureFixture, settings: Any) -> None:
    urls([path("", ENGINE)])
    application = wsgi.Handler()
    settings.MIDDLEWARE = ["tests.no_such.middleware"]
    for _ in range(2):
        assert Wsgi().call(application, environ("/in/open/")).status == 202
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "The gate stays shut in this process: it cannot be built"
    ]
    assert RawPayload.objects.count() == 2
