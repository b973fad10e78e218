"""Makes requests wait for PostgreSQL while it restarts. See database/postgresql_restart.py."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase

from notifications.database.postgresql_restart import is_away, patient
from notifications.utils.sync_and_async import BothWays

__all__ = ["PatientRequests", "is_away"]


class PatientRequests(BothWays):
    """Middleware: the requests below it survive a restart of PostgreSQL."""

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_async:
            return self._answer_async(request)
        with patient():
            return self.get_response(request)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        with patient():
            response: HttpResponseBase = await self.get_response(request)
        return response
