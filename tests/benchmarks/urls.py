"""The site's addresses, and the view that its intake is held against."""

import uuid
from datetime import UTC, datetime
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from notifications.database import bounded_wait
from notifications.store import insert
from notifications.store.new_payload import Record

#: As long as an answer of the intake.
ANSWER: Final = b'{"id": "6f0a5ce1-8f0e-5c3c-9d5f-2d1d6a5c6f0e"}'


@csrf_exempt
def read_and_answer(request: HttpRequest) -> HttpResponse:
    """Read the body, store nothing, answer 202."""
    _ = request.body
    return HttpResponse(ANSWER, status=202, content_type="application/json")


@csrf_exempt
def insert_and_answer(request: HttpRequest) -> HttpResponse:
    """Store the body with one bare INSERT, and nothing around it: what no intake on this database can do without."""
    db, body, now = bounded_wait.connection(), request.body, datetime.now(UTC)
    record = Record(uuid.uuid4(), "demo", body, "", now, now)
    with db.cursor():
        db.connection.execute(insert.statement().replace("%s", "?"), insert.values_of(record, db))
    return HttpResponse(ANSWER, status=202, content_type="application/json")


# Behind the site's own addresses nothing is faster to find: the intake is the last of them.
urlpatterns = [
    path("", include("proppy.urls")),
    path("bench/", read_and_answer),
    path("bench/insert/", insert_and_answer),
]
