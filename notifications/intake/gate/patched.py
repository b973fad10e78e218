"""Whether something has replaced functions of Django's handlers, as Sentry and other tracers do."""

from types import FunctionType
from typing import Any, Final

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler

#: What a request goes through.
FUNCTIONS: Final = (
    *("__call__", "load_middleware", "get_response", "get_response_async", "_get_response", "_get_response_async"),
    *("resolve_request", "make_view_atomic", "create_request", "handle"),
)


def patched() -> list[str]:
    """Their names. They would not see a post that is answered in front of them."""
    return [
        f"{handler.__module__}.{handler.__name__}.{name}"
        for handler in (BaseHandler, WSGIHandler, ASGIHandler)
        for name in FUNCTIONS
        if name in vars(handler) and not _is_own(vars(handler)[name], handler)
    ]


def _is_own(function: Any, handler: type) -> bool:
    """`wraps()` copies names, but not the module that a function's code belongs to."""
    return type(function) is FunctionType and function.__globals__["__name__"] == handler.__module__
