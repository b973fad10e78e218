"""The site's addresses, and the view that its intake is held against."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

#: As long as an answer of the intake.
ANSWER: Final = b'{"id": "6f0a5ce1-8f0e-5c3c-9d5f-2d1d6a5c6f0e"}'


@csrf_exempt
def read_and_answer(request: HttpRequest) -> HttpResponse:
    """Read the body, store nothing, answer 202."""
    _ = request.body
    return HttpResponse(ANSWER, status=202, content_type="application/json")


# Behind the site's own addresses nothing is faster to find: the intake is the last of them.
urlpatterns = [path("", include("proppy.urls")), path("bench/", read_and_answer)]
