"""Claims failed deliveries to send again. A claim sets `again_at` to the future: after a crash they are due again."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import QuerySet

from notifications.database import bounded_wait
from notifications.database.fast_sql import table_of, time_value
from notifications.events.event import Event
from notifications.follow_journal.digest import FEW, Digest
from notifications.models import FailedDelivery
from notifications.utils.times import utc_now

TABLE: Final = table_of(FailedDelivery)
LEASE: Final = timedelta(seconds=60)
#: The most rows of one digest: to claim them must not lock SQLite for long.
MOST: Final = 10_000
#: Rows in memory at a time.
CHUNK: Final = 100


class Claim(NamedTuple):
    """A `delivery.Message`, and its rows."""

    items: Sequence[Event]
    known: Sequence[Event]
    pks: Sequence[int]

    @property
    def rows(self) -> "QuerySet[FailedDelivery]":
        return FailedDelivery.objects.filter(pk__in=self.pks)


def any_due(names: Sequence[str]) -> bool:
    """Whether a failed delivery of these channels is due. Without the ORM, which an idle worker would notice."""
    connection = bounded_wait.connection()
    sql = f"SELECT 1 FROM {TABLE} WHERE again_at <= %s AND channel IN ({', '.join(['%s'] * len(names))}) LIMIT 1"
    with connection.cursor() as cursor:
        cursor.execute(sql, [time_value(connection, utc_now()), *names])
        return cursor.fetchone() is not None


def claim(name: str, *, digests: bool) -> Claim | None:
    """Claim the next message of a channel, the oldest first. None if none is due, or another process was faster."""
    now = utc_now()
    due = FailedDelivery.objects.filter(channel=name, again_at__lte=now).order_by("pk")
    rows = list(due[: FEW + 1 if digests else 1])
    if len(rows) > FEW:
        return _claim_digest(name, due, now)
    for row in rows:
        if FailedDelivery.objects.filter(pk=row.pk, again_at=row.again_at).update(again_at=now + LEASE):
            event = _event(row)
            return Claim([event], [event], [row.pk])
    return None


def _claim_digest(name: str, due: "QuerySet[FailedDelivery]", now: datetime) -> Claim | None:
    # With random microseconds, so that two machines never have the same lease: each finds its rows by it.
    lease = now + LEASE + timedelta(microseconds=random.randrange(1_000_000))  # noqa: S311  no secret
    FailedDelivery.objects.filter(pk__in=due.values("pk")[:MOST], again_at__lte=now).update(again_at=lease)
    claimed = FailedDelivery.objects.filter(channel=name, again_at=lease).order_by("pk")
    digest, pks = Digest(), list[int]()
    for row in claimed.iterator(CHUNK):
        if not digest.has_room(_event(row)):
            claimed.filter(pk__gte=row.pk).update(again_at=now)
            break
        digest.add(_event(row))
        pks.append(row.pk)
    return Claim([digest.event(name)], digest.shown, pks) if pks else None


def _event(row: FailedDelivery) -> Event:
    return Event(row.channel, row.text, row.event_time, row.data, row.event_id, row.author_known)
