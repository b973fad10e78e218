"""What the project's middlewares do to a stored post: they run once for each kind of head, around a view of ours.

So the answer is theirs, byte for byte, whatever the settings and the version. A kind is what they can tell apart.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

from notifications.conf import conf
from notifications.intake.answer import accepted, response_of
from notifications.intake.gate.middlewares import CSP, LOCALE, SECURITY
from notifications.intake.gate.prefix import Place

#: Kinds that are remembered. Another one takes as long as a request through Django.
MOST_KINDS: Final = 256
ACCEPTED: Final = 202
#: What the middlewares know of a request that has no cookies, besides its path.
HEAD: Final = (
    *("SCRIPT_NAME", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "HTTP_USER_AGENT"),
    *("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_ACCEPT_LANGUAGE"),
)


class Rehearsed(NamedTuple):
    """How a stored post is answered: the sub-path of the site, and the headers by lower-case name."""

    script: str
    headers: Mapping[str, tuple[str, str]]


class _LeftToDjango(Exception):
    """A middleware answers. It is not remembered: invented hosts would push out what is."""


class Rehearsal:
    """`meta` is as in `HttpRequest.META`. One answer is for all sources, unless a middleware minds the path."""

    def __init__(self, middlewares: list[str], place: Place) -> None:
        self._place = place
        self.head, most = _names_of_head(middlewares), MOST_KINDS
        if _mind_path(middlewares, place.prefix):
            self.head, most = ("PATH_INFO", *self.head), MOST_KINDS + 4 * len(conf.sources)
        self._remembered = lru_cache(most)(self._rehearse)
        self._before_view: list[Any] = []
        self._chain: Callable[[HttpRequest], HttpResponseBase] = self._view
        for path in reversed(middlewares):
            with suppress(MiddlewareNotUsed):
                self._chain = import_string(path)(self._chain)
                self._before_view[:0] = filter(None, [getattr(self._chain, "process_view", None)])

    def answer_to(self, meta: Mapping[str, Any]) -> Rehearsed | None:
        """None where a middleware answers, or raises: Django does it again, and reports it."""
        try:
            return self._remembered(tuple([meta.get(name) for name in self.head]))
        except Exception:  # noqa: BLE001  whatever it is, Django meets it
            return None

    def _rehearse(self, kind: tuple[Any, ...]) -> Rehearsed:
        head = {name: value for name, value in zip(self.head, kind, strict=True) if value is not None}
        path = {"PATH_INFO": f"{self._place.prefix}a/"}
        request = WSGIRequest(path | head | {"REQUEST_METHOD": "POST", "wsgi.input": BytesIO()})
        response = self._chain(request)
        if response.status_code != ACCEPTED or response.cookies:
            raise _LeftToDjango
        headers = {name.lower(): (name, value) for name, value in response.items()}
        return Rehearsed(request.path.removesuffix(request.path_info), headers)

    def _view(self, request: HttpRequest) -> HttpResponseBase:
        """A view that has stored a post."""
        match = request.resolver_match = self._place.match()
        for process_view in self._before_view:
            if response := process_view(request, match.func, match.args, match.kwargs):
                return cast(HttpResponseBase, response)
        return response_of(accepted(UUID(int=0)))


def _names_of_head(middlewares: list[str]) -> tuple[str, ...]:
    """Without those that only one setting makes count: they differ from request to request."""
    secure = settings.SECURE_PROXY_SSL_HEADER
    ignored = {
        "HTTP_USER_AGENT": settings.DISALLOWED_USER_AGENTS,
        "HTTP_X_FORWARDED_HOST": settings.USE_X_FORWARDED_HOST,
        "HTTP_X_FORWARDED_PORT": settings.USE_X_FORWARDED_PORT,
        "HTTP_ACCEPT_LANGUAGE": LOCALE in middlewares,
    }
    return (*(name for name in HEAD if ignored.get(name, True)), *([secure[0]] if secure else []))


def _mind_path(middlewares: list[str], prefix: str) -> bool:
    """Whether a middleware may answer one source otherwise than another."""
    policies = [getattr(settings, f"CONTENT_SECURITY_POLICY{kind}", None) or {} for kind in ("", "_REPORT_ONLY")]
    return (
        (SECURITY in middlewares and settings.SECURE_SSL_REDIRECT and bool(settings.SECURE_REDIRECT_EXEMPT))
        or (CSP in middlewares and any(policy.get("EXCLUDE_URL_PREFIXES") for policy in policies))
        or (LOCALE in middlewares and prefix.count("/") == 1)  # the first part of the path may be a language
    )
