"""Views for other systems, which neither log in nor wait for a database that they do not need."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.http import HttpResponseBase

P = ParamSpec("P")
Response = TypeVar("Response", bound=HttpResponseBase)


def independent(view: Callable[P, Response]) -> Callable[P, Response]:
    """Decorates a view: LoginRequiredMiddleware lets it pass, and ATOMIC_REQUESTS of no database is for it."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return login_not_required(view)
