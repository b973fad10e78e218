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
from django.urls import ResolverMatch, resolve
from django.utils.module_loading import import_string

from notifications.http.url_patterns import INTAKE
from notifications.intake.answer import accepted, response_of
from notifications.intake.gate.middlewares import LOCALE

#: Kinds that are remembered. Another one takes as long as a request through Django.
MOST_KINDS: Final = 256
#: What the middlewares know of a request that has no cookies.
HEAD: Final = (
    *("PATH_INFO", "SCRIPT_NAME", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "HTTP_USER_AGENT"),
    *("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_ACCEPT_LANGUAGE"),
)


class Rehearsed(NamedTuple):
    """How a stored post is answered: its path and route, and the headers of the answer."""

    path: str
    route: str
    headers: tuple[tuple[str, str], ...]


class Rehearsal:
    """`meta` is as in `HttpRequest.META`."""

    def __init__(self, middlewares: list[str]) -> None:
        self._head = _names_of_head(middlewares)
        self._remembered = lru_cache(MOST_KINDS)(self._rehearse)
        self._before_view: list[Any] = []
        self._chain: Callable[[HttpRequest], HttpResponseBase] = self._view
        for path in reversed(middlewares):
            with suppress(MiddlewareNotUsed):
                self._chain = import_string(path)(self._chain)
                self._before_view[:0] = filter(None, [getattr(self._chain, "process_view", None)])

    def answer_to(self, meta: Mapping[str, Any]) -> Rehearsed | None:
        """None where a middleware answers, or another view, or an exception: all of that is Django's."""
        return self._remembered(tuple([meta.get(name) for name in self._head]))

    def _rehearse(self, kind: tuple[Any, ...]) -> Rehearsed | None:
        head = {name: value for name, value in zip(self._head, kind, strict=True) if value is not None}
        try:
            request = WSGIRequest(head | {"REQUEST_METHOD": "POST", "wsgi.input": BytesIO()})
            match = request.resolver_match = resolve(request.path_info, settings.ROOT_URLCONF)
            response = self._chain(request)
        except Exception:  # noqa: BLE001  Django raises it again, and reports it
            return None
        if match._func_path != INTAKE or response.status_code != 202 or response.cookies:
            return None
        return Rehearsed(request.path, match.route, tuple(response.items()))

    def _view(self, request: HttpRequest) -> HttpResponseBase:
        """A view that has stored a post."""
        match = cast(ResolverMatch, request.resolver_match)
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
