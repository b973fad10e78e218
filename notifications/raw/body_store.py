"""Where the bytes of a payload are: in its row, or, where they are many, in a storage."""

import hashlib
import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from django.core.files.base import File
from django.core.files.storage import Storage

from notifications.conf import conf
from notifications.raw import deletion_notes, row_bodies

if TYPE_CHECKING:
    from notifications.models import RawPayload

logger = logging.getLogger(__name__)

#: Bytes. Larger bodies leave the row. Part of an index's condition: a change needs a migration.
LARGE: Final = 256 * 1024
#: Bytes that are read at a time.
PIECE: Final = 1024 * 1024
#: Seconds after which nothing more is deleted in a storage that fails.
LONGEST_OUTAGE: Final = 5.0


class BodyDamaged(Exception):
    """The storage has not, or not exactly, the bytes that were taken."""


class StorageFailed(OSError):
    """The storage is away, or refuses. Whatever it raised itself is the cause."""


def storage() -> Storage:
    """The storage of large bodies."""
    return conf.body_storage


def read(payload: "RawPayload") -> bytes:
    """The whole body. Raises BodyDamaged, StorageFailed, and what the database raises."""
    loaded = payload.__dict__.get("inline_body")  # deferred, it would come with six times its size on PostgreSQL
    if loaded is not None:
        return bytes(loaded)
    if payload.stored_as:
        return _read(payload.stored_as, payload.digest)
    try:
        return row_bodies.whole(payload.pk).getvalue()
    except row_bodies.Moved as moved:  # since the payload was loaded
        return _read(moved.stored_as, payload.digest)


def _read(stored_as: str, digest: str) -> bytes:
    with _opened(stored_as) as file:
        body: bytes = file.read()
    _compare(stored_as, hashlib.sha256(body).hexdigest(), digest)
    return body


def pieces(stored_as: str) -> Iterator[bytes]:
    """What the storage has, from the start, unverified. Raises BodyDamaged where it has nothing, and StorageFailed."""
    with _opened(stored_as) as file:
        while piece := file.read(PIECE):
            yield piece


def start_of(stored_as: str, length: int) -> bytes:
    """The first bytes of what the storage has, unverified. Raises like `pieces`."""
    with _opened(stored_as) as file:
        start: bytes = file.read(length)
    return start


def verify(stored_as: str, digest: str) -> None:
    """Read it through, a piece at a time. Raises BodyDamaged where it is not what was taken, and StorageFailed."""
    found = hashlib.sha256()
    for piece in pieces(stored_as):
        found.update(piece)
    _compare(stored_as, found.hexdigest(), digest)


def name_of(receipt: uuid.UUID, pk: int) -> str:
    """Where a body belongs: always the same for a row, and no other row's.

    Receipts come back where the same key is sent again after a payload was pruned; ids do not.
    """
    return f"{receipt.hex[:2]}/{receipt.hex}-{pk}"


def place_of(pk: int, receipt: uuid.UUID, size: int, stored_as: str) -> str:
    """Where the storage may have the body of a row, or a copy that a mover left when it was killed; "" is nowhere."""
    return stored_as or (name_of(receipt, pk) if size > LARGE else "")


def save(name: str, body: IO[bytes], *, size: int, digest: str) -> str:
    """Store a body for good. Gives the name that the storage has taken, which may be another one.

    Raises StorageFailed, also where the storage has something else then than what it was given.
    """
    with _reaching(name):
        stored_as = storage().save(name, File(body))
        if _size(stored_as) != size and not _has(stored_as, digest):
            raise OSError("it has something else now than it was given")
    return stored_as


def delete(names: Iterable[str]) -> int:
    """Delete bodies whose rows have gone; names that are empty or gone are passed over.

    Gives how many could not be deleted now: they are noted, and process_raw tries again. Raises OSError where not even
    a note could be written. Whoever may be killed between the rows and this writes a deletion note before.
    """
    left: list[str] = []
    end = time.monotonic() + LONGEST_OUTAGE
    for name in filter(None, names):
        if left and time.monotonic() > end:  # each of them would wait for its time-out
            left.append(name)
            continue
        try:
            with _reaching(name), suppress(FileNotFoundError):
                storage().delete(name)
        except StorageFailed as error:
            logger.warning("%s; it is deleted later", error)
            left.append(name)
    if left:
        deletion_notes.write(left)
    return len(left)


def _has(stored_as: str, digest: str) -> bool:
    """For storages that do not know sizes, or compress."""
    try:
        verify(stored_as, digest)
    except BodyDamaged:
        return False
    return True


def _size(stored_as: str) -> int | None:
    try:
        return storage().size(stored_as)
    except NotImplementedError:  # a storage need not know
        return None


def _compare(stored_as: str, found: str, digest: str) -> None:
    if found != digest:
        raise BodyDamaged(f"{stored_as!r} is not what was stored: its digest is another")


@contextmanager
def _opened(name: str) -> "Iterator[File[bytes]]":
    with _reaching(name):
        try:
            file = storage().open(name)
        except FileNotFoundError as error:
            raise BodyDamaged(f"the storage has no {name!r}{_whose()}") from error
        with file:
            yield file


def _whose() -> str:
    if conf.body_storage_alias:
        return ""
    return ". Machines that share a database must share the storage of its bodies too: set NOTIFICATIONS_BODY_STORAGE"


@contextmanager
def _reaching(name: str) -> Iterator[None]:
    """One kind of failure for all storages: each has exceptions of its own, and of the library below it."""
    try:
        yield
    except (BodyDamaged, StorageFailed):
        raise
    except Exception as error:
        raise StorageFailed(f"the storage fails at {name!r}: {type(error).__name__}: {error}") from error
