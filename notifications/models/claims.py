"""The life of a payload in the hands of workers: every change of state is a method here or in moves.py.

    received ──┐                       ┌─ finish ───→ done
               ├─ claim ─→ processing ─┼─ postpone ─→ retrying
    retrying ──┘                       ├─ fail ─────→ retrying, or dead
                                       └─ lease runs out ─→ retrying, or dead

A claim has a token, and each change names it: no row changed means that somebody else has the payload by now.
Plain SQL where it runs for every payload: building the same statement through the ORM costs more than executing it.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections, transaction
from django.utils import timezone

from notifications.backoff import backoff
from notifications.clean import clean
from notifications.deadline import deadline
from notifications.models.failures import FailureGroup, Noted
from notifications.models.moves import PayloadMoves
from notifications.models.states import State
from notifications.raw.body_store import LARGE
from notifications.raw.failures import WORKER_DIED, Failure, tell_new_failure
from notifications.signals import payload_failed
from notifications.sql import execute, execute_last, time_value, uuid_value

if TYPE_CHECKING:
    from notifications.models.payload import RawPayload

Execute = Callable[[Any, str, list[Any]], Any]

TABLE: Final = "notifications_rawpayload"
#: Seconds in which PostgreSQL hands out what was claimed.
LONGEST_LOAD: Final = 15.0


class Claim(NamedTuple):
    """What a worker has taken: its token, and (id, size) of each payload in order of arrival."""

    token: uuid.UUID
    payloads: list[tuple[int, int]]


class LeaseLost(Exception):
    """The lease ran out and another worker has claimed the payload: what was done for it must roll back."""


class RawPayloadQuerySet(PayloadMoves):
    """Claims and transitions. Times are aware datetimes, leases seconds."""

    def claim(
        self,
        state: State,
        *,
        token: uuid.UUID,
        limit: int,
        lease: float,
        sources: Sequence[str] = (),
    ) -> Claim:
        """Take up to `limit` due payloads in `state` for `lease` seconds, in the name of `token`.

        On PostgreSQL rows that another worker is just claiming are skipped (SKIP LOCKED); SQLite has one writer.
        """
        now = timezone.now()
        until = self._time(now + timedelta(seconds=lease))
        only = f"AND source IN ({', '.join(['%s'] * len(sources))})" if sources else ""
        lock = "FOR UPDATE SKIP LOCKED" if self._connection.features.has_select_for_update_skip_locked else ""
        rows = self._execute(
            # Materialized: PostgreSQL may run a bare subquery again for each row, and lock more than LIMIT says.
            f"WITH due AS MATERIALIZED (SELECT id FROM {TABLE} WHERE state = %s AND next_attempt_at <= %s {only}"
            f" ORDER BY next_attempt_at, id LIMIT %s {lock})"
            f" UPDATE {TABLE} SET state = 'processing', lease_until = %s, next_attempt_at = %s, lease_token = %s"
            " WHERE id IN (SELECT id FROM due) RETURNING id, size",
            [state, self._time(now), *sources, limit, until, until, self._uuid(token)],
        ).fetchall()
        return Claim(token, sorted(rows))

    def load(self, claim: Claim, *, max_bytes: int) -> Iterator["RawPayload"]:
        """The claimed payloads in order, loaded at most `max_bytes` of bodies at a time. Raises what the database does.

        Large ones come without their bodies, one after the other: `payload.body` fetches each when it is handled.
        """
        chunk: list[int] = []
        total = 0
        for pk, size in claim.payloads:
            if chunk and (size > LARGE or total + size > max_bytes):
                yield from self._ours(claim, chunk)
                chunk, total = [], 0
            if size > LARGE:
                yield from self._ours(claim, [pk], without="inline_body")
                continue
            chunk.append(pk)
            total += size
        if chunk:
            yield from self._ours(claim, chunk)

    def next_due(self, sources: Sequence[str] = ()) -> datetime | None:
        """When the next payload that waits is due, if any waits."""
        waiting = self.filter(source__in=sources) if sources else self
        times = [
            waiting.filter(state=state, next_attempt_at__isnull=False)
            .order_by("next_attempt_at")
            .values_list("next_attempt_at", flat=True)
            .first()
            for state in (State.RECEIVED, State.RETRYING)
        ]
        return min((time for time in times if time is not None), default=None)

    def renew(self, token: uuid.UUID, lease: float) -> bool:
        """Prolong what is left of a claim. Gives False when nothing of it is the worker's any more."""
        until = self._time(timezone.now() + timedelta(seconds=lease))
        return bool(
            self._execute(
                f"UPDATE {TABLE} SET lease_until = %s, next_attempt_at = %s"
                " WHERE state = 'processing' AND next_attempt_at IS NOT NULL AND lease_token = %s",
                [until, until, self._uuid(token)],
            ).rowcount
        )

    def finish(self, payload: "RawPayload") -> None:
        """Mark it done, as the last statement of the caller's transaction. Raises LeaseLost."""
        payload.done_at = timezone.now()
        self._change(
            payload,
            "state = 'done', done_at = %s, error = '', failure_id = NULL",
            [self._time(payload.done_at)],
            execute=execute_last,
        )

    def is_done(self, payload: "RawPayload") -> bool:
        """Whether the `finish()` of this very attempt was committed. Raises what the database raises.

        A commit that is still on its way, though its client has gone, holds the row: that is waited for.
        """
        with transaction.atomic(using=self.db):
            ours = self.filter(pk=payload.pk).select_for_update()
            return ours.values_list("state", "done_at").first() == (State.DONE, payload.done_at)

    def fail(self, payload: "RawPayload", failure: Failure, *, retry_at: datetime | None) -> Noted:
        """Record a failed attempt: tried again at `retry_at`, dead where that is None. Gives the failure's group.

        Raises LeaseLost.
        """
        with transaction.atomic(using=self.db):
            group = FailureGroup.objects.using(self.db).note(payload.source, failure.cleaned(), timezone.now())
            payload.state = State.RETRYING if retry_at else State.DEAD
            payload.next_attempt_at = retry_at
            self._change(
                payload,
                "state = %s, next_attempt_at = %s, error = %s, failure_id = %s",
                [payload.state, self._time(retry_at), clean(failure.text), group.pk],
            )
        return group

    def postpone(self, payload: "RawPayload", until: datetime, reason: str) -> None:
        """Have it handled at `until`, as its handler asked for: no failure, and no attempt. Raises LeaseLost."""
        payload.state, payload.next_attempt_at = State.RETRYING, until
        self._change(
            payload,
            "state = 'retrying', next_attempt_at = %s, error = %s, failure_id = NULL",
            [self._time(until), clean(reason)],
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

    def expired_tokens(self) -> list[uuid.UUID | None]:
        """Tokens of claims whose lease has run out: their workers hang, or died on another machine."""
        expired = self.filter(state=State.PROCESSING, next_attempt_at__lte=timezone.now())
        return list(expired.order_by().values_list("lease_token", flat=True).distinct())

    def release(
        self, token: uuid.UUID | None, *, max_attempts: Callable[[str], int], failure: Failure = WORKER_DIED
    ) -> int:
        """Take back what a worker that died or hangs had claimed. Gives how many.

        A worker handles its claim in the order of ids and unmarks what it has handled, so the first that is left is
        the one it died with: that one's attempt counts, towards `max_attempts(source)`. All of them become
        `retrying`, which are claimed one by one.
        """
        with transaction.atomic(using=self.db):
            now = timezone.now()
            ours = self.filter(state=State.PROCESSING, next_attempt_at__isnull=False, lease_token=token)
            if self._connection.features.has_select_for_update_skip_locked:
                ours = ours.select_for_update(skip_locked=True)
            rows = list(ours.order_by("pk").values_list("pk", "source", "attempts"))
            if not rows:
                return 0
            first, source, attempts = rows[0]
            free: dict[str, Any] = {"lease_until": None, "lease_token": None}
            group = FailureGroup.objects.using(self.db).note(source, failure, now)
            dead = attempts + 1 >= max_attempts(source)
            self.filter(pk=first).update(
                state=State.DEAD if dead else State.RETRYING,
                attempts=attempts + 1,
                next_attempt_at=None if dead else now + timedelta(seconds=backoff(attempts + 1)),
                error=failure.text,
                failure_id=group.pk,
                **free,
            )
            others = [pk for pk, _, _ in rows[1:]]
            self.filter(pk__in=others).update(state=State.RETRYING, next_attempt_at=now, **free)
        if group.new:
            tell_new_failure(source, failure)
        for payload in self.defer("inline_body").filter(pk=first):
            payload_failed.send_robust(sender=self.model, payload=payload, error=failure.text, final=dead)
        return len(rows)

    def _change(self, payload: "RawPayload", assignments: str, values: list[Any], execute: Execute = execute) -> None:
        nothing_due = "" if "next_attempt_at" in assignments else ", next_attempt_at = NULL"
        changed = execute(
            self._connection,
            f"UPDATE {TABLE} SET {assignments}{nothing_due}, attempts = %s, lease_until = NULL, lease_token = NULL"
            " WHERE id = %s AND lease_token = %s",
            [*values, payload.attempts, payload.pk, self._uuid(payload.lease_token)],
        ).rowcount
        if not changed:
            raise LeaseLost(f"{payload} was claimed by another worker after its lease had run out")

    def _ours(self, claim: Claim, pks: list[int], *, without: str = "") -> list["RawPayload"]:
        """What of them nobody else has claimed since."""
        ours = self.filter(pk__in=pks, lease_token=claim.token).order_by("pk")
        with deadline(LONGEST_LOAD, self._connection):
            return list(ours.defer(without) if without else ours)

    @property
    def _connection(self) -> Any:
        return connections[self.db]

    def _execute(self, sql: str, values: list[Any]) -> Any:
        return execute(self._connection, sql, values)

    def _time(self, value: datetime | None) -> Any:
        return time_value(self._connection, value)

    def _uuid(self, value: uuid.UUID | None) -> Any:
        return uuid_value(self._connection, value)
