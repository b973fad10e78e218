"""Reads, saves and deletes large bodies in their storage."""

import hashlib
import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Final

from django.core.files.base import File
from django.core.files.storage import Storage, storages

from notifications.bodies import deletion_notes
from notifications.bodies.folder_storage import FolderStorage
from notifications.conf import conf

logger = logging.getLogger(__name__)

#: Bytes. Larger bodies leave the row. Part of an index's condition: a change needs a migration.
LARGE: Final = 256 * 1024
#: Bytes read at a time.
PIECE: Final = 1024 * 1024
#: Seconds after which `delete` gives up on a storage that fails.
LONGEST_OUTAGE: Final = 5.0


class BodyDamaged(Exception):
    """The storage has lost or changed a body."""


class StorageFailed(OSError):
    """The storage is away, or refuses the request. Its own exception is the cause."""


def storage() -> Storage:
    """The storage of large bodies: NOTIFICATIONS_BODY_STORAGE, or a folder in the state directory."""
    alias = conf.body_storage_alias
    return storages[alias] if alias else _folder_storage(conf.state_dir / "bodies")


@cache
def _folder_storage(path: Path) -> Storage:
    return FolderStorage(path)


def read(stored_as: str, digest: str) -> bytes:
    """A whole body. Raises BodyDamaged if it is not what was stored, and StorageFailed."""
    with _open_body(stored_as) as file:
        body: bytes = file.read()
    _check_digest(stored_as, hashlib.sha256(body).hexdigest(), digest)
    return body


def pieces(stored_as: str) -> Iterator[bytes]:
    """A body in pieces, unverified. Raises BodyDamaged if the storage has none, and StorageFailed."""
    with _open_body(stored_as) as file:
        while piece := file.read(PIECE):
            yield piece


def start_of(stored_as: str, length: int) -> bytes:
    """The first bytes of a body, unverified. Raises like `pieces`."""
    with _open_body(stored_as) as file:
        start: bytes = file.read(length)
    return start


def verify(stored_as: str, digest: str) -> None:
    """Read a whole body, in pieces. Raises BodyDamaged if it is not what was stored, and StorageFailed."""
    found = hashlib.sha256()
    for piece in pieces(stored_as):
        found.update(piece)
    _check_digest(stored_as, found.hexdigest(), digest)


def name_of(receipt: uuid.UUID, pk: int) -> str:
    """The name of a row's body: always the same, and unique.

    It contains the id, because a pruned payload's receipt is used again if its key is sent again.
    """
    return f"{receipt.hex[:2]}/{receipt.hex}-{pk}"


def place_of(pk: int, receipt: uuid.UUID, size: int, stored_as: str) -> str:
    """The name under which the storage may have a row's body, or the copy of a killed mover; "" is nowhere."""
    return stored_as or (name_of(receipt, pk) if size > LARGE else "")


def save(name: str, body: IO[bytes], *, size: int, digest: str) -> str:
    """Store a body for good. Returns the name that the storage chose, which may differ from `name`.

    Raises StorageFailed, also if the stored body differs from the given one.
    """
    with _storage_errors(name):
        stored_as = storage().save(name, File(body))
        if _size(stored_as) != size and not _has_body(stored_as, digest):
            raise OSError("what it stored differs from what it was given")
    return stored_as


def delete(names: Iterable[str]) -> int:
    """Delete bodies whose rows are gone; skips names that are empty or gone.

    Returns how many could not be deleted now: process_raw tries again, by a deletion note. Raises OSError if the note
    cannot be written. The rows are deleted first, so a caller that may be killed writes a note before both.
    """
    left: list[str] = []
    end = time.monotonic() + LONGEST_OUTAGE
    for name in filter(None, names):
        if left and time.monotonic() > end:  # each would take a time-out
            left.append(name)
            continue
        try:
            with _storage_errors(name), suppress(FileNotFoundError):
                storage().delete(name)
        except StorageFailed as error:
            logger.warning("%s; the body is deleted later", error)
            left.append(name)
    if left:
        deletion_notes.write(left)
    return len(left)


def _has_body(stored_as: str, digest: str) -> bool:
    """Whether the storage has this body. For storages that have no sizes, or compress."""
    try:
        verify(stored_as, digest)
    except BodyDamaged:
        return False
    return True


def _size(stored_as: str) -> int | None:
    try:
        return storage().size(stored_as)
    except NotImplementedError:  # optional in a storage
        return None


def _check_digest(stored_as: str, found: str, digest: str) -> None:
    if found != digest:
        raise BodyDamaged(f"{stored_as!r} is not what was stored: its digest differs")


@contextmanager
def _open_body(name: str) -> "Iterator[File[bytes]]":
    with _storage_errors(name):
        try:
            file = storage().open(name)
        except FileNotFoundError as error:
            raise BodyDamaged(f"the storage has no {name!r}{_advice()}") from error
        with file:
            yield file


def _advice() -> str:
    if conf.body_storage_alias:
        return ""
    return ". Machines that share a database must share the storage of its bodies: set NOTIFICATIONS_BODY_STORAGE"


@contextmanager
def _storage_errors(name: str) -> Iterator[None]:
    """Raises StorageFailed for any other exception: each storage and its library have their own."""
    try:
        yield
    except (BodyDamaged, StorageFailed):
        raise
    except Exception as error:
        raise StorageFailed(f"the storage fails at {name!r}: {type(error).__name__}: {error}") from error
