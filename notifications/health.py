"""Pages for balancers and monitors: whether this process answers, whether it can store, the status of the lanes."""

import os
from collections.abc import Callable
from functools import wraps
from hmac import compare_digest
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_safe

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.fast_sql import execute
from notifications.http.independent_view import independent
from notifications.http.no_store import never_stored
from notifications.proxies import client_address
from notifications.status.counted_series import counted_since_ever
from notifications.status.prometheus import exposition
from notifications.status.verdict import verdict
from notifications.store import disk_space
from notifications.store.spool import spool
from notifications.utils.addresses import is_loopback
from notifications.utils.folder_rights import nearest
from notifications.utils.prometheus_text import CONTENT_TYPE
from notifications.utils.sizes import size
from notifications.utils.sync_and_async import BothWays

View = Callable[[HttpRequest], HttpResponse]

FORWARDED = {"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"}


def private(view: View) -> View:
    """Decorates a view for this machine and bearers of NOTIFICATIONS_STATUS_TOKEN; others get 404."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if _is_local(request) or _has_token(request):
            return view(request)
        return HttpResponseNotFound(b"not found\n", content_type="text/plain")

    return wrapped


@independent
@never_stored
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answers ok, and touches nothing else."""
    return HttpResponse(b"ok\n", content_type="text/plain")


@independent
@never_stored
@private
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this process can store a POST: in the database or the spool, on a disk with room."""
    db = bounded_wait.connection()
    low = {"database": disk_space.database_is_low(db), "spool": disk_space.state_is_low()}
    free = {"database": disk_space.database_free_bytes(db), "spool": disk_space.free_bytes()}
    works = {"database": _database_works(), "spool": _spool_works()}
    lines = "".join(f"{name} {_state_text(works[name], low[name], free[name] or 0)}\n" for name in works)
    stores = not low["database"] and any(works[name] and not low[name] for name in works)
    return HttpResponse(lines, status=200 if stores else 503, content_type="text/plain")


def _state_text(works: bool, low: bool, free: int) -> str:
    if not works:
        return "away"
    return f"disk nearly full, {size(free)} free" if low else "ok"


@independent
@never_stored
@private
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Verdict, status and counters in Prometheus' text format."""
    found = verdict(whole=True)
    counted = None if found.status.database is None else counted_since_ever()
    return HttpResponse(exposition(found, counted), content_type=CONTENT_TYPE)


def _is_local(request: HttpRequest) -> bool:
    address = client_address(request.META)
    if FORWARDED & request.META.keys() and address == request.META.get("REMOTE_ADDR"):
        return False  # an untrusted proxy forwards another client's request
    return is_loopback(address)


def _has_token(request: HttpRequest) -> bool:
    given: str = request.META.get("HTTP_AUTHORIZATION", "")
    wanted = f"Bearer {conf.status_token}"
    return bool(conf.status_token) and compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _database_works() -> bool:
    db = bounded_wait.connection()
    try:
        bounded_wait.run_bounded(db, lambda: execute(db, "SELECT 1", []))
    except (Error, OSError):
        return False
    return True


def _spool_works() -> bool:
    return os.access(nearest(spool().folder), os.W_OK | os.X_OK)


class StatusPages(BothWays):
    """Middleware that answers the status pages before the host is checked: balancers ask by address, which
    ALLOWED_HOSTS does not list. They are where the project's URLs have them: /healthz, or below a prefix.
    """

    pages: ClassVar[dict[str, View]] = {"healthz": healthz, "readyz": readyz, "metrics": metrics}

    def __call__(self, request: HttpRequest) -> Any:
        page = self._page_at(request.path_info)
        if page is None:
            return self.get_response(request)
        return sync_to_async(page)(request) if self.is_async else page(request)

    def _page_at(self, path: str) -> View | None:
        page = self.pages.get(path.rpartition("/")[2])
        try:
            return page if page and resolve(path).func is page else None
        except Resolver404:
            return None
