"""Makes requests wait for PostgreSQL while it restarts. See database/postgresql_restart.py."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from notifications.database.postgresql_restart import is_away, patient

__all__ = ["PatientRequests", "is_away"]


class PatientRequests:
    """Middleware: the requests below it survive a restart of PostgreSQL."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with patient():
            return self._get_response(request)
