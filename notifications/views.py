"""The view of /in/<source>/: verifies, stores, answers."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import HttpResponseRedirectBase
from django.template.loader import render_to_string

from notifications.conf import Source
from notifications.errors import IntakeError
from notifications.http.no_store import never_stored
from notifications.intake.answer import answer, open_source, response_of, wants_page
from notifications.intake.capture_post import capture, post_of
from notifications.intake.raw_view import limit_body, raw_body


class SeeOther(HttpResponseRedirectBase):
    """Sends a browser on with a GET."""

    status_code = 303


@never_stored
@raw_body
def intake(request: HttpRequest, source: str) -> HttpResponseBase:
    """Store a post and answer 202 with the receipt; the body is not parsed."""
    rules = open_source(source)
    if rules is not None and request.method == "POST" and wants_page(rules, request.META):
        return _answer_browser(request, rules)
    return response_of(answer(post_of(request), source))


def _body_limit(source: str) -> int | None:
    rules = open_source(source)
    return None if rules is None else rules.body_limit


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
