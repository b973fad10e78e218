"""The worker of the keep lane: claims payloads in batches and handles them one after the other."""

import logging
import time
import uuid
from collections.abc import Sequence
from typing import Final

from django.db import Error, connections
from django.utils import timezone

from notifications.backoff import backoff
from notifications.conf import Source, conf
from notifications.deadline import deadline
from notifications.models import RawPayload, State
from notifications.models.claims import Claim
from notifications.raw import store
from notifications.raw.failures import DATABASE_LEFT, WORKER_DIED, Failure
from notifications.raw.give_way import GiveWay
from notifications.raw.handling import confirm, handle
from notifications.raw.listen import Listener
from notifications.raw.presence import Presence, departed, is_excused
from notifications.raw.session import limit_transactions
from notifications.raw.spool_import import import_spool
from notifications.raw.time_limit import TimeLimit
from notifications.worker import LONGEST_WAIT, Stop

logger = logging.getLogger(__name__)

BATCH: Final = 50
#: Bytes of bodies that a batch may hold in memory at a time.
BATCH_BYTES: Final = 8 * 1024 * 1024
#: Seconds for statements of its own on PostgreSQL; those of handlers have their lease.
LONGEST_WORK: Final = 15.0
#: Seconds until it is looked again at what is due and could not be claimed: somebody else has it locked.
LOCKED_WAIT: Final = 0.05


class ProcessRaw:
    """A `worker.Worker`. `drain`: done when nothing is due any more."""

    def __init__(self, stop: Stop, *, sources: Sequence[str] = (), batch: int = BATCH, drain: bool = False) -> None:
        self._stop = stop
        self._sources = sources
        self._batch = batch
        self._drain = drain
        self._presence = Presence()
        self._listener = Listener()
        self._give_way = GiveWay(stop, self._listener)
        self._time_limit = TimeLimit(stop, self._presence)
        self._failures = 0
        #: The first of what is claimed, once it was started: an attempt is counted then.
        self._in_hand: RawPayload | None = None

    def fileno(self) -> int | None:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()
        self._time_limit.close()
        self._presence.close()
        connections.close_all()

    def poll(self) -> float | None:
        """One turn. A database that is away costs a pause, not the process."""
        self._listener.drain()
        try:
            if self._failures:
                self._recover()
            delay = self._turn()
        except Error as error:
            self._failures += 1
            delay = backoff(self._failures, base=0.1, cap=LONGEST_WAIT)
            logger.warning(
                "The database is away, or has no tables yet (manage.py migrate): %s: %s; next try in %.1f s",
                type(error).__name__,
                error,
                delay,
            )
            connections.close_all()
            self._listener.hang_up()
            return delay
        self._failures = 0
        return None if delay is None else self._listener.within(delay)

    def _recover(self) -> None:
        """Let go of what was in hand when the database went away, perhaps because of it."""
        with deadline(LONGEST_WORK):
            if self._in_hand is not None and confirm(self._in_hand):
                self._in_hand = None
            if self._in_hand is not None:
                self._release_claims_of(self._presence.token, DATABASE_LEFT)
            else:
                RawPayload.objects.give_back(self._presence.token)
        self._in_hand = None

    def _turn(self) -> float | None:
        with deadline(LONGEST_WORK):
            imported = self._import_spool()
            released = self._release()
        handled = self._handle_claim(State.RECEIVED, self._batch) + self._handle_claim(State.RETRYING, 1)
        if imported or released or handled:
            return 0.0
        return None if self._drain else self._until_next()

    def _release(self) -> int:
        """Take over from workers that died or hang; gives how many payloads."""
        with departed() as tokens:
            for token in filter(is_excused, tokens):
                RawPayload.objects.give_back(token)
            return sum(map(self._release_claims_of, {*tokens, *RawPayload.objects.expired_tokens()}))

    def _release_claims_of(self, token: uuid.UUID | None, failure: Failure = WORKER_DIED) -> int:
        return RawPayload.objects.release(
            token, max_attempts=lambda source: conf.source(source).max_attempts, failure=failure
        )

    def _handle_claim(self, state: State, limit: int) -> int:
        """Claim and handle; gives how many were claimed.

        What failed before is claimed one by one: a payload that kills its worker takes no neighbours along.
        """
        lease = max((source.lease for source in conf.sources.values()), default=Source(name="").lease)
        with deadline(LONGEST_WORK):
            limit_transactions(store.connection(), lease)
            claim = RawPayload.objects.claim(
                state, token=self._presence.token, limit=limit, lease=2 * lease, sources=self._sources
            )
        if not claim.payloads:
            return 0
        self._work_off(claim, lease)
        return len(claim.payloads)

    def _work_off(self, claim: Claim, lease: float) -> None:
        renewed = time.monotonic()
        self._give_way.begin()
        for payload in RawPayload.objects.load(claim, max_bytes=BATCH_BYTES):
            self._stop.turned()
            if self._stop.is_set():
                with deadline(LONGEST_WORK):
                    RawPayload.objects.give_back(claim.token)
                break
            if time.monotonic() - renewed > lease:  # less than one handler's time is left
                with deadline(LONGEST_WORK):
                    ours = RawPayload.objects.renew(claim.token, 2 * lease)
                if not ours:
                    break
                renewed = time.monotonic()
            self._give_way()
            self._stop.turned()
            self._in_hand = payload
            with self._time_limit(payload):
                handle(payload)
            self._in_hand = None

    def _import_spool(self) -> int:
        try:
            return import_spool()
        except OSError as error:  # no reason to leave what is in the database
            logger.warning("The spool cannot be read: %s", error)
            return 0

    def _until_next(self) -> float:
        with deadline(LONGEST_WORK):
            due = RawPayload.objects.next_due(self._sources)
        if due is None:
            return LONGEST_WAIT
        delay = (due - timezone.now()).total_seconds()
        return min(delay, LONGEST_WAIT) if delay > 0 else LOCKED_WAIT
