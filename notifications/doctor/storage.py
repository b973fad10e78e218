"""Examines a storage of Django: one small object is written, read and deleted."""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from notifications.bodies.storage import storage
from notifications.conf import conf
from notifications.utils.finding import Finding, failed, ok

T = TypeVar("T")
BYTES: Final = b"proppy_doctor: delete me"
#: By step: the right that it needs, by S3's name.
RIGHTS: Final = {"written": "write (PutObject)", "read": "read (GetObject)", "deleted": "delete (DeleteObject)"}
#: What storages say of a missing right.
DENIED: Final = re.compile(r"denied|forbidden|permission|\b403\b", re.IGNORECASE)
REACH: Final = "Mend its bucket, address, region or keys; does it run, and does a firewall let this machine through?"
BY_HAND: Final = " Then delete that object by hand."


class StepFailed(Exception):
    """A step and what the storage said; `advice` says what to do."""

    def __init__(self, step: str, name: str, error: Exception) -> None:
        is_denied = DENIED.search(f"{type(error).__name__}: {error}")
        self.advice = f"Give its user the right to {RIGHTS[step]}." if is_denied else REACH
        if step == "deleted":
            self.advice += BY_HAND
        super().__init__(f"an object cannot be {step} ({name}): {type(error).__name__}: {error}")


def bodies() -> Iterator[Finding]:
    """NOTIFICATIONS_BODY_STORAGE."""
    if not conf.body_storage_alias:
        yield ok("large bodies are in the folder bodies of STATE_DIR")
        return
    yield from examine_storage(conf.body_storage_alias, storage())


def examine_storage(alias: str, of: Storage) -> Iterator[Finding]:
    """For each kind of storage. What was written is deleted, also if it cannot be read."""
    name = f"doctor-{uuid.uuid4().hex}"  # in no folder, which would stay, and be root's if root asks
    try:
        stored = _step("written", name, lambda: of.save(name, ContentFile(BYTES)))
    except StepFailed as error:
        yield failed(f"{alias}: {error}", error.advice)
        return
    works = True
    for step, work in (("read", lambda: _read(of, stored)), ("deleted", lambda: of.delete(stored))):
        try:
            _step(step, stored, work)
        except StepFailed as error:
            works = False
            yield failed(f"{alias}: {error}", error.advice)
    if works:
        yield ok(f"{alias}: an object was written, read and deleted")


def _read(of: Storage, name: str) -> None:
    """Raises OSError if it is not what was written."""
    with of.open(name) as file:
        if file.read() != BYTES:
            raise OSError("it gave back other bytes than it took")


def _step(step: str, name: str, work: Callable[[], T]) -> T:
    """Raises StepFailed: each storage and its library have their own exceptions."""
    try:
        return work()
    except Exception as error:
        raise StepFailed(step, name, error) from error
