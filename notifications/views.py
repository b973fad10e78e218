"""The view of /in/<source>/: verifies, stores, answers."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.http.response import HttpResponseRedirectBase
from django.template.loader import render_to_string

from notifications.conf import Source, conf
from notifications.errors import IntakeError, UnknownSource
from notifications.http.no_store import never_stored
from notifications.intake.capture_post import capture
from notifications.intake.raw_view import limit_body, raw_body


class SeeOther(HttpResponseRedirectBase):
    """Sends a browser on with a GET."""

    status_code = 303


@never_stored
@raw_body
def intake(request: HttpRequest, source: str) -> HttpResponseBase:
    """Store a post and answer 202 with the receipt; the body is not parsed."""
    rules = conf.sources.get(source)
    if rules is None or not rules.http:  # must look alike
        raise UnknownSource("no such source")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"], b'{"error": "POST only"}', content_type="application/json")
    if rules.redirect and "text/html" in request.META.get("HTTP_ACCEPT", ""):
        return _answer_browser(request, rules)
    receipt = capture(request, source)
    return HttpResponse(b'{"id": "%s"}' % str(receipt).encode(), status=202, content_type="application/json")


def _body_limit(source: str) -> int | None:
    rules = conf.sources.get(source)
    return rules.body_limit if rules is not None and rules.http else None


limit_body(intake, _body_limit)


def _answer_browser(request: HttpRequest, rules: Source) -> HttpResponse:
    """Redirect to the source's page with the receipt, or answer with a page that says what to do."""
    try:
        receipt = capture(request, rules.name)
    except IntakeError as error:
        # Without the request: context processors may query the database, which may be away.
        page = render_to_string("notifications/refused.html", {"error": error, "back": rules.redirect})
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return HttpResponse(page, status=error.status, headers=headers)
    return SeeOther(_with_receipt(rules.redirect, receipt))


def _with_receipt(address: str, receipt: UUID) -> str:
    """The address with receipt= added to its query."""
    page, mark, fragment = address.partition("#")
    return f"{page}{'&' if '?' in page else '?'}receipt={receipt}{mark}{fragment}"
