"""A base for middlewares that work under WSGI and under ASGI, without a thread of their own."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction


class BothWays:
    """Django gives it a `get_response` of one kind, and calls it accordingly (its docs: "Asynchronous support").

    A subclass has `__call__(request)`. If `is_async` is set, it returns a coroutine, as `get_response(request)` does.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)  # type: ignore[type-var]  # Django's docs mark an instance like this
