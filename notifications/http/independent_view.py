"""Views for other systems, which neither log in nor wait for a database that they do not need."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction

View = TypeVar("View", bound=Callable[..., Any])


def independent(view: View) -> View:
    """Decorates a view: LoginRequiredMiddleware lets it pass, and ATOMIC_REQUESTS of no database is for it."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return login_not_required(view)
