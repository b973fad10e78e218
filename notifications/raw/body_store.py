"""Where the bytes of a payload are: in its row, or, where they are many, in a storage."""

import hashlib
from typing import TYPE_CHECKING, Final

from django.core.files.storage import Storage

from notifications.conf import conf

if TYPE_CHECKING:
    from notifications.models import RawPayload

#: Bytes. Larger bodies leave the row. Part of an index's condition: a change needs a migration.
LARGE: Final = 256 * 1024


class BodyDamaged(Exception):
    """The storage has not, or not exactly, the bytes that were taken."""


def read(payload: "RawPayload") -> bytes:
    """The whole body. Raises BodyDamaged, and what the storage raises."""
    if payload.inline_body is not None:
        return bytes(payload.inline_body)
    try:
        with storage().open(payload.stored_as) as file:
            body: bytes = file.read()
    except FileNotFoundError as error:
        raise BodyDamaged(f"the storage has no {payload.stored_as!r}") from error
    if hashlib.sha256(body).hexdigest() != payload.digest:
        raise BodyDamaged(f"{payload.stored_as!r} is not what was stored: its digest is another")
    return body


def storage() -> Storage:
    """The storage of large bodies."""
    return conf.body_storage
