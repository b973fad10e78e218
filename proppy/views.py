"""Thin views: verify, store, emit, respond. Later work is in handlers.py, which no view imports."""

from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.forms import Form
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from notifications import emit, keep
from proppy import mail
from proppy.forms import TAKEN, PhotoForm, SignUpForm
from proppy.login_limits import SIGN_UP, limited
from proppy.middleware import trace_of
from proppy.models import Photo
from proppy.page import live_parts
from proppy.visits import own_visits


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return _page(request)


@never_cache
@require_GET
def activity(request: HttpRequest) -> HttpResponse:
    """The parts of the page that update by themselves."""
    return render(request, "proppy/activity.html", _live(request))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited(SIGN_UP)
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    if request.method != "POST":
        return _page(request)
    form = SignUpForm(request.POST)
    if form.is_valid() and _create_user(request, form):
        return redirect("home")
    return _page(request, sign_up=form)


def _create_user(request: HttpRequest, form: SignUpForm) -> bool:
    user = form.user()
    try:
        with transaction.atomic():
            user.save()
            _follow_up(request, user)
            login(request, user)
    except IntegrityError:
        if not User.objects.filter(username=user.username).exists():
            raise
        form.add_error("email", TAKEN)  # another request came between the check and the save
        return False
    return True


def _follow_up(request: HttpRequest, user: User) -> None:
    trace = trace_of(request)
    task = orjson.dumps({"user_id": user.pk})
    keep("welcome", task, content_type="application/json", headers={"x-request-id": trace})
    emit("SLACK", f"{user.first_name} signed up", kind="sign-up", trace=trace)
    emit("REPORT", "sign-up", trace=trace)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def upload_photo(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":  # a reload after a refused upload
        return redirect("home")
    if not isinstance(request.user, User):
        messages.info(request, "Please sign up or sign in first, then send your photo again.")
        return redirect("sign-up")
    form = PhotoForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, photo=form)
    _keep_photo(request.user, form.cleaned_data["photo"].read(), trace_of(request))
    return redirect("home")


def _keep_photo(owner: User, body: bytes, trace: str) -> None:
    with transaction.atomic():
        receipt = keep("photo", body, headers={"x-request-id": trace})
        Photo.objects.create(owner=owner, receipt=receipt)
        emit("REPORT", "photo upload", trace=trace)


@require_safe
def photo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The owner's photo, once a worker has verified it."""
    if not isinstance(request.user, User):
        raise Http404
    shown = get_object_or_404(Photo, pk=pk, owner=request.user, state=Photo.State.SHOWN)
    response: HttpResponseBase
    if getattr(shown.file.storage, "querystring_auth", False):  # S3 serves it
        response = redirect(shown.file.url)
        response["Cache-Control"] = "private, max-age=60"
        return response
    try:
        response = FileResponse(shown.file.open(), content_type=shown.content_type)
    except FileNotFoundError as error:
        raise Http404 from error
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, max-age=3600"
    return response


@cache_control(max_age=86_400)  # a permanent redirect stays for ever; the icon's name changes with its bytes
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """For pages without an icon link, such as the admin's."""
    return redirect(static("proppy/favicon.svg"), permanent=True)


def _page(request: HttpRequest, **bound: Form) -> HttpResponse:
    """The one page, with invalid forms as they were sent."""
    forms = {"sign_up": SignUpForm(), "photo": PhotoForm()} | bound
    hints = {"mail_is_printed": mail.is_printed()}
    return render(request, "proppy/home.html", _live(request) | forms | hints)


def _live(request: HttpRequest) -> dict[str, Any]:
    return live_parts(own_visits(request), request.user, _receipt(request))


def _receipt(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("receipt", ""))
    except ValueError:
        return None
