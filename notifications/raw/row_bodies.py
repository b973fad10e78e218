"""Bodies that are in their rows, read a piece at a time: whole, PostgreSQL's client takes six times their size."""

from io import BytesIO
from typing import Final

from django.db.models import BinaryField
from django.db.models.functions import Substr

#: Bytes. Both databases walk from the start of a body to each piece: smaller ones would take longer in all.
PIECE: Final = 4 * 1024 * 1024


class Moved(Exception):
    """The body is not in the row (any more)."""

    def __init__(self, stored_as: str) -> None:
        super().__init__(stored_as)
        self.stored_as = stored_as


def piece_of(pk: int, start: int, length: int) -> bytes:
    """Up to `length` bytes of a body from `start` on; none past its end. Raises Moved, and RawPayload.DoesNotExist."""
    from notifications.models import RawPayload

    piece = Substr("inline_body", start + 1, length, output_field=BinaryField())
    found, stored_as = RawPayload.objects.filter(pk=pk).values_list(piece, "stored_as").get()
    if found is None and stored_as:
        raise Moved(stored_as)
    return bytes(found or b"")  # SQLite's substr() of no bytes is NULL


def whole(pk: int) -> BytesIO:
    """All of a body, to be read from its start. Raises like `piece_of`."""
    body = BytesIO()
    while body.write(piece_of(pk, body.tell(), PIECE)) == PIECE:
        pass
    body.seek(0)
    return body
