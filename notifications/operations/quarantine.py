"""Releases quarantined payloads.

One with a bad signature is verified again after the secret was fixed: with today's secrets, at the time it came. One
with other bytes under a used key stays until an operator has it handled too.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from enum import Enum

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from notifications.bodies.storage import BodyDamaged
from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.transactions import atomic
from notifications.http.idempotency import receipt_for
from notifications.http.signatures import BadSignature, verify
from notifications.models import RawPayload, State
from notifications.models.states import WAITING
from notifications.operations.selection import BATCH, youngest
from notifications.store.wake_workers import wake
from notifications.utils.clean_text import clean

logger = logging.getLogger(__name__)

#: Payloads that were admitted, and have been handled or will be.
LET_IN = Q(state__in=[*WAITING, State.DONE]) | Q(state=State.DEAD, attempts__gt=0)


class Verdict(Enum):
    """What became of a quarantined payload."""

    ADMITTED = "admitted"
    #: The signature is still bad: it stays.
    BAD = "bad"
    #: Its key has come another way: it stays.
    DUPLICATE = "duplicate"
    #: It is no longer quarantined: another process was faster.
    GONE = "gone"


def verify_again(payload: RawPayload, by: str = "") -> Verdict:
    """Hand a quarantined payload to the workers if one of its source's secrets signed it; else note why not.

    It stays if its key has come another way meanwhile: nothing is handled twice. `by`: who wants it, recorded. Raises
    what the database and the storage of large bodies raise.
    """
    if payload.first_of_key:  # its signature is not the problem
        return Verdict.DUPLICATE
    if problem := _problem(payload):
        return Verdict.BAD if _note(payload, problem) else Verdict.GONE
    try:
        return _decide(payload, by)
    except IntegrityError:  # its key came just now: the second try finds that one
        return _decide(payload, by)


def _decide(payload: RawPayload, by: str) -> Verdict:
    key = payload.idempotency_key
    with atomic():
        twin = _twin(payload)
        if twin:
            return Verdict.DUPLICATE if _note(payload, _same_key(payload, twin)) else Verdict.GONE
        # Its receipt is random until now: an unverified sender must not claim the key's receipt.
        receipt = {"receipt": receipt_for(payload.source, key)} if key else {}
        if not RawPayload.objects.filter(pk=payload.pk).admit(by=by, **receipt):
            return Verdict.GONE
    if receipt:
        logger.info("%s is %s from now on, by its key", payload.receipt, receipt["receipt"])
    bounded_wait.connection().on_commit(wake)
    return Verdict.ADMITTED


def handle_too(payload: RawPayload, by: str = "") -> Verdict:
    """Hand a payload with other bytes under a used key to the workers; any other is left. `by`: who wants it."""
    if not payload.first_of_key:
        return Verdict.GONE
    if not RawPayload.objects.filter(pk=payload.pk).admit(by=by):
        return Verdict.GONE
    bounded_wait.connection().on_commit(wake)
    return Verdict.ADMITTED


def handle_all_too(payloads: "QuerySet[RawPayload]", by: str = "") -> int:
    """`handle_too` for all that are quarantined; returns how many. Raises database errors."""
    return sum(handle_too(payload, by) == Verdict.ADMITTED for payload in _quarantined(payloads))


def verify_all(payloads: "QuerySet[RawPayload]", by: str = "") -> Counter[Verdict]:
    """Verify all that are quarantined, in order of arrival. Raises as `verify_again` does."""
    return Counter(verify_again(payload, by) for payload in _quarantined(payloads))


def verify_one(pk: int, *, named: bool = False, by: str = "") -> Verdict:
    """`verify_again` for an id. `named`: the operator named this payload, so one under a used key is handled too."""
    payload = RawPayload.objects.filter(pk=pk, state=State.QUARANTINED).first()
    if payload is None:
        return Verdict.GONE
    return handle_too(payload, by) if named and payload.first_of_key else verify_again(payload, by)


def _quarantined(payloads: "QuerySet[RawPayload]") -> Iterator[RawPayload]:
    """Those that are quarantined now; one body at a time is in memory."""
    ids = payloads.filter(state=State.QUARANTINED, pk__lte=youngest()).order_by("pk").values_list("pk", flat=True)
    last = 0
    while pks := list(ids.filter(pk__gt=last)[:BATCH]):
        for pk in pks:
            if payload := RawPayload.objects.filter(pk=pk, state=State.QUARANTINED).first():
                yield payload
        last = pks[-1]


def _note(payload: RawPayload, reason: str) -> int:
    return RawPayload.objects.filter(pk=payload.pk, state=State.QUARANTINED).update(error=clean(reason))


def _problem(payload: RawPayload) -> str:
    """Why it is not admitted, or ""."""
    source = conf.source(payload.source)
    if not source.signature:
        return "the source no longer verifies signatures"
    try:
        verify(
            source.signature,
            payload.headers,
            payload.body,
            secrets=source.secrets,
            tolerance=source.tolerance,
            now=payload.received_at.timestamp(),
        )
    except (BadSignature, BodyDamaged) as error:
        return str(error)
    return ""


def _twin(payload: RawPayload) -> RawPayload | None:
    """Another admitted payload with its key. In a transaction: no other process decides on this key meanwhile."""
    key = payload.idempotency_key
    if not key:
        return None
    # Literally the condition of the index raw_key, for SQLite, and no other index to choose.
    has_key = RawPayload.objects.exclude(idempotency_key="").annotate(its_source=Coalesce("source", "source"))
    same = has_key.filter(idempotency_key=key, its_source=payload.source).defer("inline_body").order_by("pk")
    if bounded_wait.connection().features.has_select_for_update:  # on SQLite the transaction itself is exclusive
        _lock(payload)
    owner = Q(receipt=receipt_for(payload.source, key))
    twin: RawPayload | None = same.exclude(pk=payload.pk).filter(owner | LET_IN).first()
    return twin


def _lock(payload: RawPayload) -> None:
    """Until the transaction's end, no other process admits a payload with this key."""
    with bounded_wait.connection().cursor() as cursor:
        number = receipt_for(payload.source, payload.idempotency_key).int >> 65  # a positive bigint
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _same_key(payload: RawPayload, twin: RawPayload) -> str:
    bodies = "the same body" if twin.digest == payload.digest else "another body"
    return f"Not handled: its key {payload.idempotency_key!r} came with {twin.receipt}, which has {bodies}."
