"""The bytes of a payload: only as many at a time as are needed, and as nothing that a browser would run."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import BinaryField
from django.db.models.functions import Substr
from django.http import StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from notifications.body_view import LIMIT, view_body
from notifications.models import RawPayload

#: Bytes. Both databases walk from the start of a body to each piece: smaller ones would take longer in all.
PIECE: Final = 4 * 1024 * 1024


def read(pk: int, start: int, length: int) -> bytes:
    """Up to `length` bytes of a body from `start` on; none where the payload is gone."""
    piece = Substr("inline_body", start + 1, length, output_field=BinaryField())
    return bytes(RawPayload.objects.filter(pk=pk).values_list(piece, flat=True).first() or b"")


def page_of(payload: RawPayload) -> SafeString:
    """The start of a body, laid out."""
    view = view_body(read(payload.pk, 0, LIMIT), payload.content_type, payload.size)
    return render("body.html", view=view, payload=payload)


def render(template: str, **context: Any) -> SafeString:
    """A template of the payload's page."""
    return render_to_string(f"admin/notifications/rawpayload/{template}", context)


def download_of(payload: RawPayload) -> StreamingHttpResponse:
    """The body, byte for byte, to be saved and not shown."""
    return StreamingHttpResponse(
        _pieces(payload.pk),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{payload.receipt}.bin"',
            "Content-Length": str(payload.size),
            "X-Content-Type-Options": "nosniff",
        },
    )


def _pieces(pk: int) -> Iterator[bytes]:
    start = 0
    while piece := read(pk, start, PIECE):
        yield piece
        start += len(piece)
