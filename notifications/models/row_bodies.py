"""Reads bodies from their rows in pieces: for a whole one PostgreSQL's client takes six times its size."""

from io import BytesIO
from typing import Any, Final

from django.db import models
from django.db.models.functions import Substr

#: Bytes. Both databases walk from the body's start to each piece: smaller pieces would take longer in all.
PIECE: Final = 4 * 1024 * 1024


class Moved(Exception):
    """The body is not in the row (any more)."""

    def __init__(self, stored_as: str) -> None:
        super().__init__(stored_as)
        self.stored_as = stored_as


class RowBodies(models.QuerySet[Any]):
    def piece_of_body(self, pk: int, start: int, length: int) -> bytes:
        """Up to `length` bytes of a body from `start` on; b"" past its end.

        Raises Moved, and RawPayload.DoesNotExist.
        """
        piece = Substr("inline_body", start + 1, length, output_field=models.BinaryField())
        found, stored_as = self.filter(pk=pk).values_list(piece, "stored_as").get()
        if found is None and stored_as:
            raise Moved(stored_as)
        return bytes(found or b"")  # SQLite's substr() of no bytes is NULL

    def whole_body(self, pk: int) -> BytesIO:
        """All of a body, to be read from its start. Raises like `piece_of_body`."""
        body = BytesIO()
        while body.write(self.piece_of_body(pk, body.tell(), PIECE)) == PIECE:
            pass
        body.seek(0)
        return body
