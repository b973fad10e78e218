"""Decorates views that capture raw bodies, and says how many bytes each takes at most."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.http import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from notifications.conf import conf
from notifications.errors import IntakeError
from notifications.http.independent_view import independent
from notifications.intake.answer import refusal, response_of

View = TypeVar("View", bound=Callable[..., Any])
#: The most bytes that a view takes; None if there is no such source. Gets the arguments of the URL.
BodyLimit = Callable[..., int | None]


def raw_body(view: View) -> View:
    """Decorates a view that calls `capture()`, or an async one that awaits `acapture()`.

    Nothing reads the body before the view; IntakeError becomes an answer. The view is exempt from CSRF, whose
    middleware would read the body, so it must not rely on cookies. It is exempt from LoginRequiredMiddleware and
    ATOMIC_REQUESTS too: inside a transaction `capture()` cannot use the spool.
    """
    decorated = _answering_async(view) if iscoroutinefunction(view) else _answering(view)
    exempt: View = csrf_exempt(independent(decorated))
    return limit_body(exempt, lambda *_, **__: largest_limit())


def limit_body(view: View, limit_of: BodyLimit) -> View:
    """Let `notifications.asgi` receive the body for this view: at most the bytes that `limit_of` returns.

    `limit_of` is called with the arguments of the URL. It returns None where the view knows no source.
    """
    view.body_limit = limit_of  # type: ignore[attr-defined]  # a mark on the view, as Django's csrf_exempt sets one
    return view


def _answering(view: Any) -> Any:
    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response: HttpResponseBase = view(*args, **kwargs)
        except IntakeError as error:
            return response_of(refusal(error))
        return response

    return wrapped


def _answering_async(view: Any) -> Any:
    @wraps(view)
    async def wrapped(*args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response: HttpResponseBase = await view(*args, **kwargs)
        except IntakeError as error:
            return response_of(refusal(error))
        return response

    return wrapped


def largest_limit() -> int:
    """The limit of the source that takes the largest bodies."""
    return max((source.body_limit for source in conf.sources.values()), default=conf.raw_max_body_bytes)
