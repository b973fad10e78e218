"""The raw store: what was posted or kept, byte for byte, and how far its handling got."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, ClassVar, Final

from django.db import connections, models
from django.utils.functional import cached_property

from notifications.bodies import storage
from notifications.bodies.storage import LARGE
from notifications.conf import conf
from notifications.database.transactions import LeftOpen, atomic, close_open, is_open, open_connections
from notifications.http.idempotency import receipt_beside, receipt_for
from notifications.models.aware_times import AwareDateTimeField
from notifications.models.claims import RawPayloadQuerySet
from notifications.models.failures import FailureGroup
from notifications.models.row_bodies import Moved
from notifications.models.states import State
from notifications.signals import payload_handled
from notifications.utils.forks import ParentOnly

INSIDE: Final = (
    "payload.done() is inside a transaction, which could roll its effects back: call it outside of any atomic(), and"
    " without set_autocommit(False) or a BEGIN of your own."
)
#: Savepoints, the function, and whether its failure is only logged.
OnCommit = tuple[set[Any], Callable[[], object], bool]


def handler_of(payload: "RawPayload") -> str:
    """The handler to blame, as the start of a sentence."""
    return f"The handler of {payload.source!r}"


class RawPayload(models.Model):
    """One body as it came. Rows are written by store/insert.py; only claims.py moves them on.

    `next_attempt_at`: when a worker should look at it next, to handle it, or to find that its lease has run out.
    NULL once nothing is left to do, which keeps finished rows out of the one index that workers read.
    """

    receipt = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    source = models.TextField()
    state = models.TextField(choices=State.choices, default=State.RECEIVED)
    attempts = models.PositiveIntegerField(default=0)
    received_at = AwareDateTimeField()
    next_attempt_at = AwareDateTimeField(null=True)
    lease_until = AwareDateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    done_at = AwareDateTimeField(null=True)
    size = models.PositiveBigIntegerField()
    digest = models.TextField(help_text="sha256 of the body, in hex")
    content_type = models.TextField(blank=True)
    method = models.TextField(blank=True)
    path = models.TextField(blank=True)
    query = models.TextField(blank=True)
    remote_addr = models.TextField(blank=True)
    idempotency_key = models.TextField(blank=True)
    error = models.TextField(blank=True)
    # Text, not a JSONField: PostgreSQL's jsonb refuses NULs, and every header must be kept.
    headers_json = models.TextField(default="{}")
    failure = models.ForeignKey(
        FailureGroup, models.SET_NULL, null=True, db_index=False, related_name="payloads", help_text="How it fails now"
    )
    stored_as = models.TextField(db_default="", help_text="Name in the storage; empty where the body is in the row")
    # Last, so that SQLite reads the columns before it without walking through the body's pages.
    inline_body = models.BinaryField(null=True)

    #: Set as its handler starts: its id and token, which the handler may change on the instance as `delete()` does;…
    held: tuple[int, uuid.UUID | None] | None = None
    #: …when that was, by time.monotonic(); and in which process.
    started: float = 0.0
    process: int = 0
    #: What its handler has logged since then.
    logged: Callable[[], str] = str
    #: What `done()` has yet to call after its commit, as Django keeps it; None if no commit is unanswered.
    unanswered: list[OnCommit] | None = None

    objects: ClassVar[RawPayloadQuerySet] = RawPayloadQuerySet.as_manager()  # type: ignore[assignment]  # django-stubs types as_manager() as a bare Manager

    class Meta:
        indexes = [
            models.Index(
                fields=["state", "next_attempt_at", "id"],
                name="raw_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            models.Index(fields=["source", "-id"], name="raw_source"),
            models.Index(
                fields=["state", "-id"],
                name="raw_stuck",
                condition=models.Q(state__in=["dead", "quarantined"]),
            ),
            models.Index(fields=["idempotency_key"], name="raw_key", condition=~models.Q(idempotency_key="")),
            models.Index(fields=["received_at"], name="raw_time"),
            models.Index(fields=["failure", "-id"], name="raw_failure", condition=models.Q(failure__isnull=False)),
            # For retention.
            models.Index(
                fields=["source", "done_at", "id"], name="raw_done", condition=models.Q(done_at__isnull=False)
            ),
            # Bodies not yet moved to the storage.
            models.Index(
                fields=["id"], name="raw_large", condition=models.Q(size__gt=LARGE, inline_body__isnull=False)
            ),
        ]
        permissions = [("view_body", "Can see the bodies of raw payloads")]

    def __str__(self) -> str:
        return f"{self.source} {self.receipt}"

    @cached_property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name, without credentials and cookies."""
        headers: dict[str, str] = json.loads(self.headers_json)
        return headers

    @cached_property
    def body(self) -> bytes:
        """The bytes as they came, from row or storage. Raises BodyDamaged and StorageFailed of bodies/storage.py."""
        loaded = self.__dict__.get("inline_body")  # loading a deferred one takes six times its size on PostgreSQL
        if loaded is not None:
            return bytes(loaded)
        if self.stored_as:
            return storage.read(self.stored_as, self.digest)
        try:
            return RawPayload.objects.whole_body(self.pk).getvalue()
        except Moved as moved:  # since the payload was loaded
            return storage.read(moved.stored_as, self.digest)

    @property
    def first_of_key(self) -> uuid.UUID | None:
        """The receipt of the first payload with this key, if this one came later with other bytes; else None."""
        first = receipt_for(self.source, self.idempotency_key)
        return first if self.idempotency_key and self.receipt == receipt_beside(first, self.digest) else None

    @contextmanager
    def done(self) -> Iterator[None]:
        """A transaction for the effects of an `atomic=False` handler; it marks the payload done as it commits.

        Raises LeaseLost, with the effects rolled back, if another worker has taken the payload over; and RuntimeError
        inside a transaction, which could roll the effects back.
        """
        db: Any = connections[conf.database]
        if is_open(db):
            raise RuntimeError(INSIDE)
        open_before = open_connections()  # of other databases, in blocks around this one
        alone = partial(ParentOnly, handler_of(self), self.process)
        with alone(), atomic(durable=True):
            with alone():
                yield
                if problem := close_open(handler_of(self), besides=[db, *open_before]):
                    raise LeftOpen(problem)
                milliseconds = (time.monotonic() - self.started) * 1000
                payload_handled.send(sender=RawPayload, payload=self, milliseconds=milliseconds)
            # Django removes from this very list what it calls; after a failed commit the rest is ours.
            self.unanswered = db.run_on_commit
            _payloads(conf.database).finish(self)
        self.unanswered, self.state = None, State.DONE


@cache
def _payloads(alias: str) -> RawPayloadQuerySet:
    """Made once: to make a queryset and ask the routers costs each payload some 5 µs, of about 125."""
    return RawPayload.objects.using(alias)
