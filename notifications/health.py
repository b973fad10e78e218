"""For balancers and monitors: does this process answer, can it store, how are the lanes doing."""

import json
import os
from collections.abc import Callable, Iterator
from functools import wraps
from hmac import compare_digest
from typing import ClassVar

from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.http import require_safe

from notifications.addresses import is_loopback
from notifications.conf import conf
from notifications.proxies import client_address
from notifications.raw import disk, store
from notifications.raw.spool import spool
from notifications.sql import execute
from notifications.status import DatabaseStatus, Status, status

View = Callable[[HttpRequest], HttpResponse]

FORWARDED = {"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"}


def private(view: View) -> View:
    """Answers this machine, or who has NOTIFICATIONS_STATUS_TOKEN as a bearer; a 404 to everybody else."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if _is_local(request) or _has_token(request):
            return view(request)
        return HttpResponseNotFound(b"not found\n", content_type="text/plain")

    return wrapped


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Says ok, and touches nothing else."""
    return HttpResponse(b"ok\n", content_type="text/plain")


@private
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this process can store what is posted: in the database, or in the spool, and on a disk with room."""
    disks = {"database": disk.database_is_low(store.connection()), "spool": disk.state_is_low()}
    works = {"database": _database_works(), "spool": _spool_works()}
    lines = "".join(f"{name} {_verdict(works[name], disks[name])}\n" for name in works)
    stores = not disks["database"] and any(works[name] and not disks[name] for name in works)
    return HttpResponse(lines, status=200 if stores else 503, content_type="text/plain")


def _verdict(works: bool, low: bool) -> str:
    if not works:
        return "away"
    return "disk nearly full" if low else "ok"


@private
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The status in Prometheus' text format."""
    return HttpResponse(
        "\n".join(_exposition(status())) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _exposition(now: Status) -> Iterator[str]:
    yield f"proppy_spool_files {now.spool.waiting}"
    yield f"proppy_spool_oldest_seconds {now.spool.oldest or 0:.3f}"
    yield f"proppy_spool_set_aside_files {now.spool.set_aside}"
    yield f"proppy_spool_bytes {now.spool.bytes}"
    yield f"proppy_spool_max_bytes {now.spool.max_bytes}"
    yield f"proppy_breaker_open {int(now.spool.breaker_open)}"
    if now.disk.free is not None:
        yield f"proppy_disk_free_bytes {now.disk.free}"
    yield f"proppy_disk_low {int(now.disk.low)}"
    yield f"proppy_database_up {int(now.database is not None)}"
    if now.database is not None:
        yield from _database_exposition(now.database)


def _database_exposition(now: DatabaseStatus) -> Iterator[str]:
    yield from (f'proppy_payloads{{state="{state}"}} {count}' for state, count in now.payloads.items())
    yield f"proppy_payloads_oldest_seconds {now.oldest_waiting or 0:.3f}"
    failed = dict.fromkeys((channel.channel for channel in now.channels), 0) | now.failed
    yield from (f"proppy_failed_deliveries{{channel={_quoted(name)}}} {count}" for name, count in failed.items())
    yield f"proppy_failed_deliveries_to_send_again {now.failed_again}"
    yield f"proppy_losses {now.losses}"
    yield f"proppy_lost_events_total {now.lost_events}"
    yield f"proppy_refused_entries_total {sum(now.refused.values())}"
    for channel in now.channels:
        names = {"channel": channel.channel, "journal": channel.journal, "machine": channel.machine}
        labels = ",".join(f"{label}={_quoted(value)}" for label, value in names.items())
        yield f"proppy_channel_lag_seconds{{{labels}}} {channel.lag or 0:.3f}"
        yield f"proppy_channel_waiting{{{labels}}} {channel.waiting}"


def _quoted(value: str) -> str:
    """Prometheus escapes as JSON does: quotation marks, backslashes and the ends of lines."""
    return json.dumps(value, ensure_ascii=False)


def _is_local(request: HttpRequest) -> bool:
    address = client_address(request.META)
    if FORWARDED & request.META.keys() and address == request.META.get("REMOTE_ADDR"):
        return False  # a proxy that nobody trusts speaks for somebody else
    return is_loopback(address)


def _has_token(request: HttpRequest) -> bool:
    given: str = request.META.get("HTTP_AUTHORIZATION", "")
    wanted = f"Bearer {conf.status_token}"
    return bool(conf.status_token) and compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _database_works() -> bool:
    db = store.connection()
    try:
        store.soon(db, lambda: execute(db, "SELECT 1", []))
    except (Error, OSError):
        return False
    return True


def _spool_works() -> bool:
    folder = spool().folder
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


class StatusPages:
    """Middleware that answers /healthz, /readyz and /metrics before anything looks at the host: balancers ask by
    address, which no ALLOWED_HOSTS lists.
    """

    pages: ClassVar[dict[str, View]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.pages.get(request.path_info, self._get_response)(request)
