"""Views to sign in, by a link that a worker mails, and to sign out."""

import orjson
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from notifications import keep
from proppy.forms import SignInForm
from proppy.login_limits import LINK, MAILBOX, SIGN_IN, limited, too_many_requests
from proppy.middleware import trace_of
from proppy.sign_in import use, user_of
from proppy.visits import forget


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited(SIGN_IN)
def sign_in(request: HttpRequest) -> HttpResponse:
    """Keeps the request for a link; the worker finds out whether the account exists."""
    if request.user.is_authenticated:
        return redirect("home")
    form = SignInForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "proppy/sign_in.html", {"form": form})
    email = form.cleaned_data["email"]
    if seconds := MAILBOX.hit(email):
        return too_many_requests(seconds)
    wish = {"email": email, "site": request.build_absolute_uri("/")}
    keep("sign-in", orjson.dumps(wish), content_type="application/json", headers={"x-request-id": trace_of(request)})
    messages.success(request, "If there is an account with this address, a link to sign in is on its way to it.")
    return redirect("home")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited(LINK)
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link's page. Its button signs in, since mail scanners follow links."""
    user = _signed_in(request, token) if request.method == "POST" else user_of(token)
    if user is None:
        messages.error(request, "This link was used already, or is too old. Ask for a new one.")
        return redirect("sign-in")
    if request.method != "POST":
        return render(request, "proppy/sign_in_link.html", {"name": user.first_name})
    return redirect("home")


def _signed_in(request: HttpRequest, token: str) -> User | None:
    with transaction.atomic():  # if the session cannot be opened, the link stays valid
        user = use(token)
        if user is not None:
            login(request, user)
    return user


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """The browser's next user must not see this one's requests."""
    logout(request)
    response = redirect("home")
    forget(response)
    return response
