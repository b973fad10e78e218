"""The worker of the keep lane: claims payloads in batches and handles them one by one."""

import time
from collections.abc import Sequence
from typing import Final

from django.db import Error, connections

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.database.session_limits import limit_transactions
from notifications.database.transaction_conflicts import is_conflict, trouble
from notifications.models import RawPayload, State
from notifications.models.claims import Claim
from notifications.process_raw.correct_times import CorrectTimes
from notifications.process_raw.database_outage import DatabaseOutage
from notifications.process_raw.give_way import GiveWay
from notifications.process_raw.handle_payload import confirm_commit, handle
from notifications.process_raw.living_workers import Presence, departed, is_excused, lives_here
from notifications.process_raw.release_claims import release_claims
from notifications.process_raw.time_limit import TimeLimit
from notifications.process_raw.wait_for_work import Listener
from notifications.store.database_breaker import database_works
from notifications.store.spool_import import import_spool
from notifications.utils.failure_fingerprint import CONFLICT, DATABASE_LEFT
from notifications.utils.times import utc_now
from notifications.workers import activity
from notifications.workers.loop import LONGEST_WAIT, Stop
from notifications.workers.outage import Outage

BATCH: Final = 50
#: The most bytes of bodies in memory at a time.
BATCH_BYTES: Final = 8 * 1024 * 1024
#: Seconds for the worker's own statements on PostgreSQL; handlers have their lease.
LONGEST_WORK: Final = 15.0
#: The most seconds between two attempts to read a spool that cannot be read.
LONGEST_SPOOL_PAUSE: Final = 10.0
#: Seconds until the next look at due payloads that another worker has locked.
LOCKED_WAIT: Final = 0.05


class ProcessRaw:
    """A `loop.Worker`. With `drain` it ends when no payload is due. `outage` is told how the database fares."""

    def __init__(
        self,
        stop: Stop,
        *,
        sources: Sequence[str] = (),
        batch: int = BATCH,
        drain: bool = False,
        outage: DatabaseOutage | None = None,
    ) -> None:
        self._stop = stop
        self._database = outage or DatabaseOutage()
        self._sources = sources
        self._batch = batch
        self._drain = drain
        self._presence = Presence()
        self._listener = Listener()
        self._give_way = GiveWay(stop, self._listener)
        self._time_limit = TimeLimit(stop, self._presence)
        self._outage = Outage("process_raw", longest=LONGEST_WAIT)
        self._spool_outage = Outage("spool", longest=LONGEST_SPOOL_PAUSE)
        self._met_conflict = False
        self._correct_times = CorrectTimes()
        #: By time.monotonic(): then spool and dead workers come before a claim, for one that dies at each claim.
        self._look_around_at = 0.0
        #: Seconds for a handler of the last claim.
        self._lease = conf.source("").lease
        #: The payload whose attempt has started. After an error it stays, for `_recover()`.
        self._in_hand: RawPayload | None = None

    def fileno(self) -> int | None:
        return None if self._outage.seconds_left() else self._listener.fileno()  # each post wakes it

    def close(self) -> None:
        self._listener.close()
        self._time_limit.close()
        self._presence.close()
        connections.close_all()

    def poll(self) -> float | None:
        """One turn. If the database is away, the worker pauses and tries again."""
        if pause := self._outage.seconds_left():
            return pause
        self._listener.drain()
        try:
            if self._outage.failures:
                self._recover()
            delay = self._turn()
        except Error as error:
            return self._pause(error)
        self._outage.over()
        self._database.over()
        if delay == 0.0:  # something was written: reading alone proves nothing
            database_works()
        return None if delay is None else self._listener.bounded(delay)

    def _pause(self, error: Error) -> float:
        self._met_conflict = is_conflict(error)
        if self._met_conflict:
            return self._outage.failed(trouble(error))
        self._database.failed(error, self._in_hand)
        connections.close_all()
        self._listener.disconnect()
        kind = type(error).__name__
        return self._outage.failed(f"The database is away, or has no tables yet (manage.py migrate): {kind}: {error}")

    def _recover(self) -> None:
        """Release the claims from before the pause. The payload in hand counts an attempt: it may be the cause."""
        with deadline(LONGEST_WORK):
            if self._in_hand is not None and confirm_commit(self._in_hand):
                self._in_hand = None
            if self._in_hand is not None:
                release_claims(self._presence.token, CONFLICT if self._met_conflict else DATABASE_LEFT)
            else:
                RawPayload.objects.give_back(self._presence.token)
        self._in_hand = None

    def _turn(self) -> float | None:
        with deadline(LONGEST_WORK):
            limit_transactions(bounded_wait.connection(), self._lease)
            is_late = time.monotonic() >= self._look_around_at
            found = self._look_around() if is_late else 0
        handled = self._handle_claim(State.RECEIVED, self._batch)  # at once: what has come just now wakes the worker
        with deadline(LONGEST_WORK):
            found += 0 if handled or is_late else self._look_around()
            corrected = self._correct_times()
        # Retries one by one: a payload that kills its worker must not take others along.
        handled += self._handle_claim(State.RETRYING, 1)
        if found or corrected or handled:
            return 0.0
        return None if self._drain else self._seconds_until_due()

    def _look_around(self) -> int:
        """Import from the spool, and release what dead workers hold. Returns the number of payloads."""
        imported = self._import_spool()
        self._look_around_at = time.monotonic() + (0.0 if imported else LONGEST_WAIT)  # there may be more
        return imported + self._release_dead()

    def _release_dead(self) -> int:
        """Release the claims of workers that died or hang. Returns the number of payloads."""
        with departed() as tokens:
            for token in filter(is_excused, tokens):
                RawPayload.objects.give_back(token)
            longest = 2 * max((source.lease for source in conf.sources.values()), default=self._lease)
            too_far = (token for token in RawPayload.objects.leased_too_far(longest) if not lives_here(token))
            return sum(map(release_claims, {*tokens, *RawPayload.objects.expired_tokens(), *too_far}))

    def _handle_claim(self, state: State, limit: int) -> int:
        """Claim up to `limit` payloads in a state, and handle them. Returns how many were claimed."""
        lease = conf.source(self._sources[0] if self._sources else "").lease
        with deadline(LONGEST_WORK):
            claim = RawPayload.objects.claim(
                state,
                token=self._presence.token,
                limit=limit,
                lease=2 * lease,
                leases={name: 2 * conf.source(name).lease for name in self._sources or conf.sources},
                sources=self._sources,
            )
            if not claim.payloads:
                return 0
            self._lease = claim.lease / 2
            limit_transactions(bounded_wait.connection(), self._lease)
        self._handle_all(claim)
        return len(claim.payloads)

    def _handle_all(self, claim: Claim) -> None:
        renewed = time.monotonic()
        self._give_way.begin()
        for payload in RawPayload.objects.load(claim, max_bytes=BATCH_BYTES):
            self._stop.turned()
            if self._stop.is_set():
                with deadline(LONGEST_WORK):
                    RawPayload.objects.give_back(claim.token)
                break
            if time.monotonic() - renewed > self._lease:  # too little is left for one more handler
                with deadline(LONGEST_WORK):
                    ours = RawPayload.objects.renew(claim.token, claim.lease)
                if not ours:
                    break
                renewed = time.monotonic()
            self._give_way()
            self._stop.turned()
            self._in_hand = payload
            activity.begins(payload)
            try:
                with self._time_limit(payload):
                    handle(payload)
            finally:
                activity.ends()
            self._in_hand = None
            self._database.over()

    def _import_spool(self) -> int:
        if self._spool_outage.seconds_left():
            return 0
        try:
            imported = import_spool()
        except OSError as error:  # the database can have work all the same
            self._spool_outage.failed(f"it cannot be read: {error}")
            return 0
        self._spool_outage.over()
        return imported

    def _seconds_until_due(self) -> float:
        with deadline(LONGEST_WORK):
            due = RawPayload.objects.next_due(self._sources)
        if due is None:
            return LONGEST_WAIT
        delay = (due - utc_now()).total_seconds()
        return min(delay, LONGEST_WAIT) if delay > 0 else LOCKED_WAIT
