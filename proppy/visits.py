"""Remembers the visitor's own requests in a signed cookie, so that visitors see only their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

from proppy.models import STEPS_KEPT

COOKIE: Final = "visits"
SALT: Final = "proppy.visits"
MOST: Final = 5
#: The `what` of a visit that sent the contact form.
CONTACT: Final = "Contact form"


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with work after its answer."""

    trace: str
    started: datetime
    what: str

    def packed(self) -> list[str | int]:
        return [self.trace, round(self.started.timestamp() * 1000), self.what]

    @classmethod
    def unpacked(cls, trace: str, started_ms: int, what: str) -> Self:
        return cls(trace, datetime.fromtimestamp(started_ms / 1000, UTC), what)


def own_visits(request: HttpRequest) -> list[Visit]:
    """The visitor's latest requests, newest first; [] if the cookie is invalid or too old."""
    try:
        packed = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=STEPS_KEPT)
    except signing.BadSignature:
        return []
    return [Visit.unpacked(*item) for item in packed]


def remember(response: HttpResponseBase, visits: Sequence[Visit]) -> None:
    """Set the cookie with the visitor's latest requests, newest first."""
    response.set_cookie(
        COOKIE,
        signing.dumps([visit.packed() for visit in visits[:MOST]], salt=SALT, compress=True),
        max_age=STEPS_KEPT,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )


def forget(response: HttpResponseBase) -> None:
    """Delete the cookie: the browser may have another user next."""
    response.delete_cookie(COOKIE, samesite="Lax")
