"""The life of a payload with workers: every change of state is a method here or in operator_moves.py.

    received ──┐                       ┌─ finish ───→ done
               ├─ claim ─→ processing ─┼─ postpone ─→ retrying
    retrying ──┘                       ├─ fail ─────→ retrying, or dead
                                       └─ lease runs out ─→ retrying, or dead

A claim has a token, and each change names it: if no row changed, another worker has the payload.
Statements that run for every payload are plain SQL: building them through the ORM costs more than executing them.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Value
from django.db.models.functions import Least

from notifications.bodies.storage import LARGE
from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.database.fast_sql import (
    execute,
    execute_last,
    fetch_all,
    fetch_models,
    table_of,
    time_value,
    uuid_value,
)
from notifications.database.unsynced import unsynced
from notifications.models.attempts import Attempt, Outcome
from notifications.models.aware_times import AwareDateTimeField
from notifications.models.failures import FailureGroup, Noted
from notifications.models.operator_moves import PayloadMoves
from notifications.models.row_bodies import RowBodies
from notifications.models.states import DUE, State
from notifications.models.wrong_clock import ClockCorrections
from notifications.utils.clean_text import clean
from notifications.utils.failure_fingerprint import Failure
from notifications.utils.retry_delay import backoff
from notifications.utils.times import utc_now

if TYPE_CHECKING:
    from notifications.models.payload import RawPayload

Execute = Callable[[BaseDatabaseWrapper, str, list[Any]], Any]

#: Of what is due, what has the lease of the first.
SAME_LEASE: Final = " WHERE until = (SELECT until FROM due ORDER BY next_attempt_at, id LIMIT 1)"
#: Seconds for PostgreSQL to return what was claimed.
LONGEST_LOAD: Final = 15.0


class Claim(NamedTuple):
    """What a worker has taken: its token, (id, size) of each payload in order of arrival, and their lease."""

    token: uuid.UUID
    payloads: list[tuple[int, int]]
    lease: float


class Released(NamedTuple):
    """What was taken back: how many, and the first, whose attempt counts: it is dead or tried again."""

    payloads: int = 0
    first: "RawPayload | None" = None
    dead: bool = False
    noted: Noted | None = None


class LeaseLost(Exception):
    """The worker no longer has the payload, or its row is gone: the effects of its handler must roll back."""


class RawPayloadQuerySet(PayloadMoves, RowBodies, ClockCorrections):  # type: ignore[override]  # each base has an as_manager()
    """Claims and transitions. Times are aware datetimes, leases seconds."""

    def claim(
        self,
        state: State,
        *,
        token: uuid.UUID,
        limit: int,
        lease: float,
        leases: Mapping[str, float] | None = None,
        sources: Sequence[str] = (),
    ) -> Claim:
        """Take up to `limit` due payloads in `state` for `lease` seconds, under `token`.

        `leases`: by source, if it has another one. All payloads of a claim have the lease of its first, so none runs
        out behind a slower source's. On PostgreSQL, rows that another worker is claiming are skipped (SKIP LOCKED);
        SQLite has one writer, and is only read where nothing is due: an UPDATE of no row takes its lock too.
        """
        now = utc_now()
        if self._connection.vendor == "sqlite" and not self._any_due(state, now, sources):
            return Claim(token, [], lease)
        others = {source: each for source, each in (leases or {}).items() if each != lease}
        until, times = self._until(now, lease, others)
        only = _only(sources)
        lock = "FOR UPDATE SKIP LOCKED" if self._connection.features.has_select_for_update_skip_locked else ""
        columns, same = (f"id, next_attempt_at, {until} AS until", SAME_LEASE) if others else ("id", "")
        # MATERIALIZED: PostgreSQL may run a bare subquery again for each row, and lock more rows than LIMIT.
        sql = (
            f"WITH due AS MATERIALIZED (SELECT {columns} FROM {self._table} WHERE state = %s AND next_attempt_at <= %s"
            f" {only} ORDER BY next_attempt_at, id LIMIT %s {lock}) UPDATE {self._table}"
            f" SET state = 'processing', lease_until = {until}, next_attempt_at = {until}, lease_token = %s"
            f" WHERE id IN (SELECT id FROM due{same}) RETURNING id, size, source"
        )
        due = [*(times if others else ()), state, self._time(now), *sources, limit]
        with unsynced(self._connection):  # what a power cut takes of a claim is claimed again
            rows = fetch_all(self._connection, sql, [*due, *times, *times, self._uuid(token)])
        taken = others.get(rows[0][2], lease) if rows else lease
        return Claim(token, sorted((pk, size) for pk, size, _ in rows), taken)

    def _any_due(self, state: State, now: datetime, sources: Sequence[str]) -> bool:
        sql = f"SELECT 1 FROM {self._table} WHERE state = %s AND next_attempt_at <= %s {_only(sources)} LIMIT 1"
        return bool(fetch_all(self._connection, sql, [state, self._time(now), *sources]))

    def _until(self, now: datetime, lease: float, others: Mapping[str, float]) -> tuple[str, list[Any]]:
        """When a claim ends, by source: an SQL expression, and its values."""
        until = self._time(now + timedelta(seconds=lease))
        if not others:
            return "%s", [until]
        ends = ((source, self._time(now + timedelta(seconds=each))) for source, each in others.items())
        return f"CASE source{' WHEN %s THEN %s' * len(others)} ELSE %s END", [*chain.from_iterable(ends), until]

    def load(self, claim: Claim, *, max_bytes: int) -> Iterator["RawPayload"]:
        """The claimed payloads in order, at most `max_bytes` of bodies loaded at a time. Raises database errors.

        Large ones come one by one and without their bodies: `payload.body` fetches them when they are handled.
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
        """When the next waiting payload is due, if any waits."""
        waiting = self.filter(source__in=sources) if sources else self
        times = [
            waiting.filter(state=state, next_attempt_at__isnull=False)
            .order_by("next_attempt_at")
            .values_list("next_attempt_at", flat=True)
            .first()
            for state in DUE
        ]
        return min((time for time in times if time is not None), default=None)

    def renew(self, token: uuid.UUID, lease: float) -> bool:
        """Prolong what is left of a claim. Returns False when nothing of it is left."""
        until = self._time(utc_now() + timedelta(seconds=lease))
        return bool(
            self._execute(
                f"UPDATE {self._table} SET lease_until = %s, next_attempt_at = %s"
                " WHERE state = 'processing' AND next_attempt_at IS NOT NULL AND lease_token = %s",
                [until, until, self._uuid(token)],
            ).rowcount
        )

    def finish(self, payload: "RawPayload") -> None:
        """Mark it done, as the last statement of the caller's transaction. Raises LeaseLost.

        The success that follows a failure is recorded. One at the first attempt costs no statement more.
        """
        payload.done_at = utc_now()
        if payload.attempts > 1 or payload.error:
            Attempt.objects.using(self.db).record(payload, Outcome.DONE)
        columns = {"state": State.DONE, "done_at": payload.done_at, "error": "", "failure_id": None}
        self._change(payload, columns, execute=execute_last)

    def is_done(self, payload: "RawPayload") -> bool:
        """Whether the `finish()` of this very attempt was committed. Raises database errors.

        A COMMIT in flight still locks the row, so we wait for it.
        """
        with transaction.atomic(using=self.db):
            ours = self.filter(pk=payload.pk).select_for_update()
            return ours.values_list("state", "done_at").first() == (State.DONE, payload.done_at)

    def is_ours(self, payload: "RawPayload") -> bool | None:
        """Whether the row still has the token of this claim; None if there is no such row. Raises database errors."""
        pk, token = payload.held or (payload.pk, payload.lease_token)
        tokens = list(self.filter(pk=pk).values_list("lease_token", flat=True))
        return tokens == [token] if tokens else None

    def fail(self, payload: "RawPayload", failure: Failure, *, retry_at: datetime | None) -> Noted:
        """Record a failed attempt: retried at `retry_at`, dead if that is None. Returns the failure's group.

        Raises LeaseLost.
        """
        log = payload.logged()  # outside of the transaction: what was logged may ask the database as it becomes text
        with transaction.atomic(using=self.db):
            failure = failure.cleaned()
            group = FailureGroup.objects.using(self.db).note(payload.source, failure, utc_now(), dead=not retry_at)
            payload.state = State.RETRYING if retry_at else State.DEAD
            payload.next_attempt_at = retry_at
            columns = {"state": payload.state, "error": failure.text, "failure_id": group.pk}
            self._change(payload, columns, due_at=retry_at)
            outcome = Outcome.FAILED if retry_at else Outcome.DEAD
            attempts = Attempt.objects.using(self.db)
            attempts.record_failure(payload, outcome, failure.text, log=log, failure_id=group.pk)
        return group

    def postpone(self, payload: "RawPayload", until: datetime, reason: str, *, conflict: bool = False) -> None:
        """Have it handled at `until`: no failure. Raises LeaseLost.

        `conflict`: another transaction was in its way, which is an attempt.
        """
        payload.state, payload.next_attempt_at = State.RETRYING, until
        columns = {"state": State.RETRYING, "error": clean(reason), "failure_id": None}
        if not conflict:
            self._change(payload, columns, due_at=until)
            return
        log = payload.logged()
        with transaction.atomic(using=self.db):
            self._change(payload, columns, due_at=until)
            Attempt.objects.using(self.db).record_failure(payload, Outcome.CONFLICT, reason, log=log)

    def give_back(self, token: uuid.UUID) -> None:
        """Return the payloads of a claim that were not started: the worker stops.

        They are due since their receipt: now, also by a clock that is set back later.
        """
        least = "min" if self._connection.vendor == "sqlite" else "least"
        self._execute(
            f"UPDATE {self._table} SET state = CASE WHEN attempts = 0 THEN 'received' ELSE 'retrying' END,"
            f" next_attempt_at = {least}(received_at, %s), lease_until = NULL, lease_token = NULL"
            " WHERE state = 'processing' AND next_attempt_at IS NOT NULL AND lease_token = %s",
            [self._time(utc_now()), self._uuid(token)],
        )

    def expired_tokens(self) -> list[uuid.UUID | None]:
        """Tokens of claims whose lease has run out: their workers hang, or died on another machine."""
        expired = self.filter(state=State.PROCESSING, next_attempt_at__lte=utc_now())
        return list(expired.order_by().values_list("lease_token", flat=True).distinct())

    def release(
        self,
        token: uuid.UUID | None,
        *,
        max_attempts: Callable[[str], int],
        failure: Failure,
        lost: Mapping[str, str] | None = None,
        outcome: Outcome = Outcome.LOST,
    ) -> Released:
        """Take back the claim of a worker that died or hangs. The caller reports what this returns.

        `lost`: what is known of the worker, for the record of its attempt: "worker" and "release". `outcome`: what
        became of that, unless it was the last.

        A worker handles its claim in the order of ids and unmarks what it has handled, so it died with the first that
        is left: that attempt counts towards `max_attempts(source)`. All become `retrying`, which are claimed singly.
        """
        with transaction.atomic(using=self.db):
            now = utc_now()
            ours = self.filter(state=State.PROCESSING, next_attempt_at__isnull=False, lease_token=token)
            if self._connection.features.has_select_for_update_skip_locked:
                ours = ours.select_for_update(skip_locked=True)
            rows = list(ours.order_by("pk").values_list("pk", "source", "attempts"))
            if not rows:
                return Released()
            first, source, attempts = rows[0]
            free: dict[str, Any] = {"lease_until": None, "lease_token": None}
            dead = attempts + 1 >= max_attempts(source)
            group = FailureGroup.objects.using(self.db).note(source, failure, now, dead=dead)
            self.filter(pk=first).update(
                state=State.DEAD if dead else State.RETRYING,
                attempts=attempts + 1,
                next_attempt_at=None if dead else now + timedelta(seconds=backoff(attempts + 1)),
                error=failure.text,
                failure_id=group.pk,
                **free,
            )
            others = [pk for pk, _, _ in rows[1:]]
            due_at = Least("received_at", Value(now, AwareDateTimeField()))
            self.filter(pk__in=others).update(state=State.RETRYING, next_attempt_at=due_at, **free)
            payload = self.defer("inline_body").get(pk=first)
            known: dict[str, Any] = {"worker": "", "release": "", **(lost or {}), "failure_id": group.pk}
            Attempt.objects.using(self.db).record_failure(payload, outcome, failure.text, **known)
        return Released(len(rows), payload, dead, group)

    def _change(
        self,
        payload: "RawPayload",
        columns: Mapping[str, Any],
        *,
        due_at: datetime | None = None,
        execute: Execute = execute,
    ) -> None:
        """Set columns of a claimed payload and end the claim. `due_at`: when a worker looks at it next."""
        payload.pk, payload.lease_token = payload.held or (payload.pk, payload.lease_token)
        db, columns = self._connection, {**columns, "next_attempt_at": due_at, "attempts": payload.attempts}
        values = [time_value(db, each) if isinstance(each, datetime) else each for each in columns.values()]
        sql = _change_statement(self._table, tuple(columns))
        changed = execute(db, sql, [*values, payload.pk, uuid_value(db, payload.lease_token)]).rowcount
        if not changed:
            raise LeaseLost(f"{payload} was claimed by another worker after its lease had run out, or its row is gone")

    def _ours(self, claim: Claim, pks: list[int], *, without: str = "") -> list["RawPayload"]:
        """Those of `pks` that no other worker has claimed since."""
        condition = f"id IN ({', '.join(['%s'] * len(pks))}) AND lease_token = %s ORDER BY id"
        with deadline(LONGEST_LOAD, self._connection):
            values = [*pks, self._uuid(claim.token)]
            return fetch_models(self._connection, self.model, condition, values, without=without)

    @property
    def _table(self) -> str:
        return table_of(self.model)

    @property
    def _connection(self) -> BaseDatabaseWrapper:
        db = connections[self.db]
        bounded_wait.restore(db)  # a keep() may have shortened it: workers can wait
        return db

    def _execute(self, sql: str, values: list[Any]) -> Any:
        return execute(self._connection, sql, values)

    def _time(self, value: datetime | None) -> Any:
        return time_value(self._connection, value)

    def _uuid(self, value: uuid.UUID | None) -> Any:
        return uuid_value(self._connection, value)


@cache
def _change_statement(table: str, columns: tuple[str, ...]) -> str:
    return (
        f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in columns)},"
        " lease_until = NULL, lease_token = NULL WHERE id = %s AND lease_token = %s"
    )


def _only(sources: Sequence[str]) -> str:
    """A condition for these sources; "" for all."""
    return f"AND source IN ({', '.join(['%s'] * len(sources))})" if sources else ""
