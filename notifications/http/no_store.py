"""Keeps the engine's answers out of each cache: Django's, proxies' and browsers'."""

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from django.http import HttpResponseBase

P = ParamSpec("P")
Response = TypeVar("Response", bound=HttpResponseBase)

#: Django's cache middlewares knew only `private` and `max-age=0` up to 5.2. A constant, since `never_cache` takes
#: longer than the rest of an answer.
NO_STORE: Final = "no-store, private, max-age=0"


def forbid_storing(response: Response) -> Response:
    """Set the header, and return the response."""
    response.headers["Cache-Control"] = NO_STORE
    return response


def never_stored(view: Callable[P, Response]) -> Callable[P, Response]:
    """Decorates a view: no cache may store its answers."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Response:
        return forbid_storing(view(*args, **kwargs))

    return wrapped
