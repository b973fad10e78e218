"""Deletes old payloads by source and state, a few hundred at a time, each only if its rule still applies.

Their attempts, and what people did to them, go with them.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Exists, Max, Min, Model, OuterRef, Q, QuerySet

from notifications.bodies import deletion_notes, storage
from notifications.conf import Source, conf
from notifications.database import bounded_wait
from notifications.database.fast_sql import fetch_all, table_of, time_value
from notifications.database.transactions import atomic
from notifications.models import (
    Attempt,
    FailedDelivery,
    FailureGroup,
    FailureHour,
    Loss,
    OperatorAction,
    RawPayload,
    Refusal,
    State,
)
from notifications.models.failures import KEEP_HOURS
from notifications.operations.selection import Place, Selection
from notifications.utils.times import utc_now

#: Rows that one transaction deletes, and bytes of their bodies: on SQLite others wait for it.
BATCH: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024
#: Ids of attempts and actions that one transaction looks at.
WINDOW: Final = 5000
#: A failure group without payloads is deleted this long after its last failure.
KEEP_GROUPS: Final = timedelta(days=30)

#: A row that may be deleted: its id, the bytes in it, and where the storage may have its body (bodies/storage.py).
Row = tuple[int, int, str]


COLUMNS: Final = ("pk", "receipt", "size", "stored_as")


class Rule(NamedTuple):
    """Payloads of a source in one state are deleted if they are older than `before`.

    Done ones age from `done_at`; dead and quarantined ones from `received_at`.
    """

    source: str
    state: State
    before: datetime

    def rows(self, after: Place | None = None) -> "QuerySet[RawPayload]":
        """Its payloads after a place, in the order of an index. For done ones, a place's time is `done_at`.

        Without a place, PostgreSQL would walk through all deleted rows until the next VACUUM.
        """
        if self.state != State.DONE:
            return Selection(source=self.source, state=self.state, until=self.before).rows(after=after)
        done = RawPayload.objects.filter(source=self.source, done_at__lt=self.before, state=State.DONE)
        if after:
            done = done.filter(Q(done_at__gt=after.time) | Q(pk__gt=after.pk), done_at__gte=after.time)
        return done.order_by("done_at", "pk")


def rules(*, source: str = "", done_days: float | None = None) -> list[Rule]:
    """The rules for each source that is configured or has payloads; `done_days` replaces `keep_done_days`."""
    now = utc_now()
    found = []
    for name in [source] if source else sorted({*conf.sources, *_sources()}):
        for state, days in _days(conf.source(name), done_days):
            if days is not None:
                found.append(Rule(name, state, now - timedelta(days=days)))
    return found


def prune(rule: Rule, *, batch: int = BATCH) -> Iterator[int]:
    """Delete a rule's payloads; yields how many with each transaction. Raises database errors, and OSError."""
    column = "done_at" if rule.state == State.DONE else "received_at"
    before = time_value(bounded_wait.connection(), rule.before)
    still = (f"source = %s AND state = %s AND {column} < %s", [rule.source, rule.state, before])
    after: Place | None = None
    while found := list(rule.rows(after).values_list(column, *COLUMNS)[:batch]):
        for rows in in_batches([row_of(*columns) for _, *columns in found]):
            yield delete(rows, *still)
        after = Place(found[-1][0], found[-1][1])


def delete(rows: Sequence[Row], still: str, values: Sequence[Any]) -> int:
    """Delete rows that still meet the condition `still`, and their bodies in the storage; returns how many.

    Raises database errors, and OSError. Killed at any point, it leaves no body without a row or a note.
    """
    names = {pk: name for pk, _, name in rows if name}
    note = deletion_notes.write(list(names.values())) if names else None
    marks = ", ".join(["%s"] * len(rows))
    with atomic():
        gone = fetch_all(
            bounded_wait.connection(),
            f"DELETE FROM {table_of(RawPayload)} WHERE id IN ({marks}) AND {still} RETURNING id, stored_as",
            [*(pk for pk, _, _ in rows), *values],
        )
        for model in (Attempt, OperatorAction):
            model._default_manager.filter(payload_id__in=[pk for pk, _ in gone])._raw_delete(conf.database)
    storage.delete({name for pk, stored_as in gone for name in (stored_as, names.get(pk, ""))})
    if note:
        note.unlink(missing_ok=True)
    return len(gone)


def row_of(pk: int, receipt: uuid.UUID, size: int, stored_as: str) -> Row:
    """A row from its COLUMNS."""
    return pk, 0 if stored_as else size, storage.place_of(pk, receipt, size, stored_as)


def prune_groups() -> int:
    """Delete failure groups without payloads, and hours that are counted no longer; returns how many groups."""
    theirs = RawPayload.objects.filter(failure_id=OuterRef("pk"))
    old = FailureGroup.objects.filter(~Exists(theirs), last_at__lt=utc_now() - KEEP_GROUPS)
    count = old._raw_delete(conf.database)
    FailureHour.objects.filter(hour__lt=utc_now() - KEEP_HOURS)._raw_delete(conf.database)
    return count


def prune_records() -> Iterator[int]:
    """Delete attempts and actions whose row is gone; yields how many with each transaction.

    `delete()` takes those of its payloads along: these are left by what else deletes rows, as an older release does.
    """
    yield from _without_row(Attempt, payload=RawPayload)
    rows = {"payload": RawPayload, "failure": FailureGroup, "delivery": FailedDelivery, "loss": Loss}
    yield from _without_row(OperatorAction, **rows, refusal=Refusal)


def _without_row(model: type[Model], **columns: type[Model]) -> Iterator[int]:
    rows = model._default_manager.all()
    gone = Q()
    for name, other in columns.items():
        there = other._default_manager.filter(pk=OuterRef(f"{name}_id"))
        gone |= Q(~Exists(there), **{f"{name}__isnull": False})
    first, last = rows.aggregate(first=Min("pk"), last=Max("pk")).values()
    for start in range(first or 0, (last or -1) + 1, WINDOW):
        yield rows.filter(gone, pk__gte=start, pk__lt=start + WINDOW)._raw_delete(conf.database)


def in_batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Batches of at most BATCH rows and BATCH_BYTES bytes, or of one row."""
    chunk: list[Row] = []
    total = 0
    for row in rows:
        if chunk and (len(chunk) == BATCH or total + row[1] > BATCH_BYTES):
            yield chunk
            chunk, total = [], 0
        chunk.append(row)
        total += row[1]
    if chunk:
        yield chunk


def _days(source: Source, done_days: float | None) -> Iterator[tuple[State, float | None]]:
    yield State.DONE, source.keep_done_days if done_days is None else done_days
    yield State.DEAD, source.keep_dead_days
    yield State.QUARANTINED, source.keep_quarantined_days


def _sources() -> Iterator[str]:
    """Sources that have payloads: one step in the index for each, however many payloads there are."""
    names = RawPayload.objects.order_by("source").values_list("source", flat=True)
    name = names.first()
    while name is not None:
        yield name
        name = names.filter(source__gt=name).first()
