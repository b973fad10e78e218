"""The life of a payload: every change of state is a method here.

    received ──┐
               ├─ claim ─→ processing ─┬─ finish ─→ done
    retrying ──┘                       ├─ fail ───→ retrying, or dead
                                       └─ lease runs out ─→ retrying, or dead

A claim has a token, and each change names it: no row changed means that somebody else has the payload by now.
Plain SQL where it runs for every payload: building the same statement through the ORM costs more than executing it.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections, models, transaction
from django.utils import timezone

from notifications.backoff import backoff

if TYPE_CHECKING:
    from notifications.models.payload import RawPayload

TABLE: Final = "notifications_rawpayload"
WORKER_DIED: Final = "The worker died or was stopped hard while it handled this."


class State(models.TextChoices):
    RECEIVED = "received"
    PROCESSING = "processing"
    DONE = "done"
    RETRYING = "retrying"
    DEAD = "dead"
    QUARANTINED = "quarantined"


class Claim(NamedTuple):
    """What a worker has taken: a token that stands for it, and (id, size) of each payload in order of arrival."""

    token: uuid.UUID
    payloads: list[tuple[int, int]]


class LeaseLost(Exception):
    """The lease ran out and another worker has claimed the payload: what was done for it must roll back."""


class RawPayloadQuerySet(models.QuerySet["RawPayload"]):
    """Claims and transitions. Times are aware datetimes, leases seconds."""

    def claim(
        self,
        state: State,
        *,
        limit: int,
        lease: float,
        sources: Sequence[str] = (),
        now: datetime | None = None,
    ) -> Claim:
        """Take up to `limit` due payloads in `state` for `lease` seconds.

        On PostgreSQL rows that another worker is just claiming are skipped (SKIP LOCKED); SQLite has one writer.
        """
        now, token = now or timezone.now(), uuid.uuid4()
        until = self._time(now + timedelta(seconds=lease))
        only = f"AND source IN ({', '.join(['%s'] * len(sources))})" if sources else ""
        lock = "FOR UPDATE SKIP LOCKED" if self._connection.features.has_select_for_update_skip_locked else ""
        rows = self._execute(
            f"UPDATE {TABLE} SET state = 'processing', lease_until = %s, next_attempt_at = %s, lease_token = %s"
            f" WHERE id IN (SELECT id FROM {TABLE} WHERE state = %s AND next_attempt_at <= %s {only}"
            f" ORDER BY next_attempt_at, id LIMIT %s {lock}) RETURNING id, size",
            [until, until, self._uuid(token), state, self._time(now), *sources, limit],
        ).fetchall()
        return Claim(token, sorted(rows))

    def load(self, claim: Claim, *, max_bytes: int) -> Iterator["RawPayload"]:
        """The claimed payloads in order, loaded at most `max_bytes` of bodies at a time (one, if it is larger)."""
        chunk: list[int] = []
        total = 0
        for pk, size in claim.payloads:
            if chunk and total + size > max_bytes:
                yield from self.filter(pk__in=chunk).order_by("pk")
                chunk, total = [], 0
            chunk.append(pk)
            total += size
        yield from self.filter(pk__in=chunk).order_by("pk")

    def next_due(self) -> datetime | None:
        """When the next payload that waits is due, if any waits."""
        times = [
            self.filter(state=state, next_attempt_at__isnull=False)
            .order_by("next_attempt_at")
            .values_list("next_attempt_at", flat=True)
            .first()
            for state in (State.RECEIVED, State.RETRYING)
        ]
        return min((time for time in times if time is not None), default=None)

    def renew(self, token: uuid.UUID, lease: float) -> bool:
        """Prolong what is left of a claim. Gives False when nothing of it is ours any more."""
        until = self._time(timezone.now() + timedelta(seconds=lease))
        return bool(
            self._execute(
                f"UPDATE {TABLE} SET lease_until = %s, next_attempt_at = %s"
                " WHERE state = 'processing' AND next_attempt_at IS NOT NULL AND lease_token = %s",
                [until, until, self._uuid(token)],
            ).rowcount
        )

    def finish(self, payload: "RawPayload") -> None:
        """Mark it done, in the caller's transaction. Raises LeaseLost."""
        payload.done_at = timezone.now()
        self._change(payload, "state = 'done', done_at = %s, error = ''", [self._time(payload.done_at)])

    def fail(self, payload: "RawPayload", error: str, *, retry_at: datetime | None) -> None:
        """Record a failed attempt: tried again at `retry_at`, dead where that is None. Raises LeaseLost."""
        payload.state = State.RETRYING if retry_at else State.DEAD
        payload.next_attempt_at = retry_at
        self._change(
            payload,
            "state = %s, next_attempt_at = %s, error = %s",
            [payload.state, self._time(retry_at) if retry_at else None, error.replace("\0", "\ufffd")],
        )

    def give_back(self, token: uuid.UUID) -> None:
        """Return what of a claim was not started, as a worker does that stops."""
        now = self._time(timezone.now())
        self._execute(
            f"UPDATE {TABLE} SET state = CASE WHEN attempts = 0 THEN 'received' ELSE 'retrying' END,"
            " next_attempt_at = %s, lease_until = NULL, lease_token = NULL"
            " WHERE state = 'processing' AND next_attempt_at IS NOT NULL AND lease_token = %s",
            [now, self._uuid(token)],
        )

    def release_expired(self, max_attempts: dict[str, int], default_attempts: int) -> int:
        """Take back payloads whose worker died or hangs. Gives how many.

        A worker handles its claim in the order of ids and unmarks what it has handled, so the first that is left is
        the one it died with: that one's attempt counts. All of them become `retrying`, which are claimed one by one.
        """
        expired = self.filter(state=State.PROCESSING, next_attempt_at__lte=timezone.now())
        tokens = list(expired.order_by().values_list("lease_token", flat=True).distinct())
        return sum(self._release(token, max_attempts, default_attempts) for token in tokens)

    def _release(self, token: uuid.UUID | None, max_attempts: dict[str, int], default_attempts: int) -> int:
        with transaction.atomic(using=self.db):
            now = timezone.now()
            ours = self.filter(state=State.PROCESSING, next_attempt_at__lte=now, lease_token=token)
            if self._connection.features.has_select_for_update_skip_locked:
                ours = ours.select_for_update(skip_locked=True)
            rows = list(ours.order_by("pk").values_list("pk", "source", "attempts"))
            if not rows:
                return 0
            first, source, attempts = rows[0]
            free: dict[str, Any] = {"lease_until": None, "lease_token": None}
            dead = attempts + 1 >= max_attempts.get(source, default_attempts)
            self.filter(pk=first).update(
                state=State.DEAD if dead else State.RETRYING,
                attempts=attempts + 1,
                next_attempt_at=None if dead else now + timedelta(seconds=backoff(attempts + 1)),
                error=WORKER_DIED,
                **free,
            )
            others = [pk for pk, _, _ in rows[1:]]
            self.filter(pk__in=others).update(state=State.RETRYING, next_attempt_at=now, **free)
            return len(rows)

    def _change(self, payload: "RawPayload", assignments: str, values: list[Any]) -> None:
        nothing_due = "" if "next_attempt_at" in assignments else ", next_attempt_at = NULL"
        changed = self._execute(
            f"UPDATE {TABLE} SET {assignments}{nothing_due}, attempts = %s, lease_until = NULL, lease_token = NULL"
            " WHERE id = %s AND lease_token = %s",
            [*values, payload.attempts, payload.pk, self._uuid(payload.lease_token)],
        ).rowcount
        if not changed:
            raise LeaseLost(f"{payload} was claimed by another worker after its lease had run out")

    @property
    def _connection(self) -> Any:
        return connections[self.db]

    def _execute(self, sql: str, params: list[Any]) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(sql, params)
        return cursor

    def _time(self, value: datetime) -> Any:
        return self._connection.ops.adapt_datetimefield_value(value)

    def _uuid(self, value: uuid.UUID | None) -> Any:
        return value if value is None or self._connection.features.has_native_uuid_field else value.hex
