"""The bytes of a payload, read in pieces, and sent as nothing that a browser would run."""

from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import LIMIT, view_body
from notifications.admin.lists.names import address
from notifications.bodies import storage
from notifications.bodies.storage import BodyDamaged, StorageFailed
from notifications.models import RawPayload, row_bodies

#: Bytes of a row's body to read at a time.
PIECE: Final = row_bodies.PIECE


def start_of(pk: int, length: int) -> bytes:
    """Up to `length` bytes of a body. Raises BodyDamaged, StorageFailed, and RawPayload.DoesNotExist."""
    try:
        return RawPayload.objects.piece_of_body(pk, 0, length)
    except row_bodies.Moved as moved:
        return storage.start_of(moved.stored_as, length)


def page_of(payload: RawPayload) -> SafeString:
    """The start of a body, laid out; or why there is none."""
    try:
        view = view_body(start_of(payload.pk, LIMIT), payload.content_type, payload.size)
    except (BodyDamaged, StorageFailed) as error:
        return render("no_body.html", error=str(error))
    except RawPayload.DoesNotExist:
        return render("no_body.html", error="the payload was deleted just now")
    return render("body.html", view=view, download=address(RawPayload, "body", payload.pk))


def render(template: str, **context: Any) -> SafeString:
    """Render a template of the payload's page."""
    return render_to_string(f"notifications/admin/{template}", context)


def download_of(payload: RawPayload) -> HttpResponseBase:
    """The body, byte for byte, as an attachment; or an error, before anything was sent."""
    try:
        if payload.stored_as:
            storage.verify(payload.stored_as, payload.digest)
    except BodyDamaged as error:
        return _refusal(error, 404)
    except StorageFailed as error:
        return _refusal(error, 503)
    return StreamingHttpResponse(
        _pieces(payload.pk),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{payload.receipt}.bin"',
            "Content-Length": str(payload.size),
            "X-Content-Type-Options": "nosniff",
        },
    )


def _refusal(error: Exception, status: int) -> HttpResponse:
    text = f"The body cannot be downloaded: {error}\n"
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _pieces(pk: int) -> Iterator[bytes]:
    start = 0
    try:
        while piece := RawPayload.objects.piece_of_body(pk, start, PIECE):
            yield piece
            start += len(piece)
    except row_bodies.Moved as moved:  # before, or since the last piece
        yield from _without(start, storage.pieces(moved.stored_as))


def _without(count: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces after the first `count` bytes."""
    for piece in pieces:
        if rest := piece[count:]:
            yield rest
        count = max(0, count - len(piece))
