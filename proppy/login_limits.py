"""Rate limits of sign-up and sign-in. Each process counts alone (notifications/http/rate_limits.py)."""

import math
import secrets
import unicodedata
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

from django.conf import settings
from django.contrib import admin
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from notifications.http.no_store import NO_STORE
from notifications.http.rate_limits import RateLimit, client_key
from notifications.proxies import client_address

P = ParamSpec("P")

# By the client's address, which a whole office may share.
SIGN_UP: Final = RateLimit("sign-up", "20/hour")
SIGN_IN: Final = RateLimit("sign-in", "20/hour")
LINK: Final = RateLimit("sign-in link", "30/hour")
ADMIN_LOGIN: Final = RateLimit("admin login", "10/minute")
#: By the address that gets the mail, so that its mailbox cannot be flooded.
MAILBOX: Final = RateLimit("sign-in mailbox", "5/hour")
#: Wrong passwords for a user name, from all browsers together that never had the right one.
ADMIN_STRANGERS: Final = RateLimit("admin login name", "10/hour")
#: Wrong passwords in a browser that had the right one before. Strangers cannot use up this limit, and so cannot lock
#: the name's owner out.
ADMIN_KNOWN: Final = RateLimit("admin login known browser", "10/hour")

COOKIE: Final = "proppy_admin_browser"
SALT: Final = "proppy.admin-browser"
KNOWN_FOR: Final = 365 * 24 * 3600
STATUS_FOUND: Final = 302


def limited(
    limit: RateLimit,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]
]:
    """Decorates a view: posts of one address beyond `limit` are answered with 429."""

    def decorator(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            seconds = limit.hit(client_key(client_address(request.META))) if request.method == "POST" else 0
            return too_many_requests(seconds) if seconds else view(request, *args, **kwargs)

        return wrapped

    return decorator


def too_many_requests(seconds: int) -> HttpResponse:
    """The page for people who have to wait. Without the request: no context processor queries the database."""
    page = render_to_string("429.html", {"minutes": math.ceil(seconds / 60)})
    return HttpResponse(page, status=429, headers={"Retry-After": str(seconds), "Cache-Control": NO_STORE})


@sensitive_post_parameters()
@limited(ADMIN_LOGIN)
def admin_login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The admin's own login, with limits on guessed passwords. In the URLconf it comes before the admin."""
    if request.method != "POST":
        return admin.site.login(request, extra_context)
    name = _folded(request.POST.get("username", ""))
    browser = _known_browser(request, name)
    limit, key = (ADMIN_KNOWN, browser) if browser else (ADMIN_STRANGERS, name)
    if seconds := limit.hit(key):  # before the password is checked, so that parallel guesses cannot slip through
        return too_many_requests(seconds)
    response = admin.site.login(request, extra_context)
    if response.status_code == STATUS_FOUND:
        limit.forgive(key)
        _remember(response, name, browser or secrets.token_hex(16))
    return response


def _folded(name: str) -> str:
    """One spelling for all that Django treats as the same user name (UsernameField)."""
    return unicodedata.normalize("NFKC", name[:1000].strip()).casefold()


def _known_browser(request: HttpRequest, name: str) -> str:
    """The id of a browser in which this user has signed in before; "" for others."""
    try:
        known, browser = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=KNOWN_FOR)
    except signing.BadSignature:
        return ""
    return str(browser) if known == name else ""


def _remember(response: HttpResponse, name: str, browser: str) -> None:
    response.set_cookie(
        COOKIE,
        signing.dumps([name, browser], salt=SALT),
        max_age=KNOWN_FOR,
        path=reverse("admin:login"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
