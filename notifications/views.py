"""Intake of what others post. The order is fixed: verify, store, answer."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.http.response import HttpResponseRedirectBase

from notifications.conf import conf
from notifications.errors import UnknownSource
from notifications.intake import capture
from notifications.raw_body import raw_body


class SeeOther(HttpResponseRedirectBase):
    """Sends a browser on with a GET."""

    status_code = 303


@raw_body
def intake(request: HttpRequest, source: str) -> HttpResponseBase:
    """Verify, store, answer: 202 and the receipt. Nothing is parsed here."""
    rules = conf.sources.get(source)
    if rules is None or not rules.http:  # an internal source looks like none
        raise UnknownSource("no such source")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    receipt = capture(request, source)
    if rules.redirect and "text/html" in request.META.get("HTTP_ACCEPT", ""):
        return SeeOther(f"{rules.redirect}?receipt={receipt}")
    return HttpResponse(b'{"id": "%s"}' % str(receipt).encode(), status=202, content_type="application/json")
