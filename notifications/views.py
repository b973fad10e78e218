"""The view of /in/<source>/: verifies, stores, answers."""

from uuid import UUID

from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.response import HttpResponseRedirectBase
from django.template.loader import render_to_string
from django.utils.log import log_response

from notifications.conf import Source
from notifications.errors import IntakeError, UnexpectedFailure
from notifications.http.no_store import never_stored
from notifications.intake.answer import answer, decided, open_source, refusal, response_of, wants_page
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
    page = rules if rules is not None and request.method == "POST" and wants_page(rules, request.META) else None
    try:
        if page is not None:
            return _answer_browser(request, page)
        return response_of(decided(request.META) or answer(post_of(request), source))
    except Exception as error:  # noqa: BLE001  it is reported, and whoever sent it tries again
        return _report(request, error, page)


def _report(request: HttpRequest, error: Exception, page: Source | None) -> HttpResponse:
    """Report an exception as Django does, and answer 503 with Retry-After."""
    got_request_exception.send(sender=None, request=request)
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise error
    failure = UnexpectedFailure("it was not stored, for a reason that is in our log: send it again")
    response = response_of(refusal(failure)) if page is None else _refusal_page(failure, page)
    log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=error)
    return response


def _body_limit(source: str) -> int | None:
    rules = open_source(source)
    return None if rules is None else rules.body_limit


limit_body(intake, _body_limit)


def _answer_browser(request: HttpRequest, rules: Source) -> HttpResponse:
    """Redirect to the source's page with the receipt, or answer with a page that says what to do."""
    try:
        receipt = capture(request, rules.name)
    except IntakeError as error:
        return _refusal_page(error, rules)
    return SeeOther(_with_receipt(rules.redirect, receipt))


def _refusal_page(error: IntakeError, rules: Source) -> HttpResponse:
    # Without the request: context processors may query the database, which may be away.
    page = render_to_string("notifications/refused.html", {"error": error, "back": rules.redirect})
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return HttpResponse(page, status=error.status, headers=headers)


def _with_receipt(address: str, receipt: UUID) -> str:
    """The address with receipt= added to its query."""
    page, mark, fragment = address.partition("#")
    return f"{page}{'&' if '?' in page else '?'}receipt={receipt}{mark}{fragment}"
