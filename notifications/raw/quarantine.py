"""Verifies quarantined payloads again, once the secret was mended: with today's secrets, against the time they came."""

import logging
from enum import Enum
from typing import NamedTuple

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from notifications.clean import clean
from notifications.conf import conf
from notifications.models import RawPayload, State
from notifications.raw.body_store import BodyDamaged
from notifications.raw.record import receipt_for
from notifications.raw.selection import BATCH, youngest
from notifications.raw.signatures import BadSignature, verify
from notifications.raw.wake import wake

logger = logging.getLogger(__name__)

#: What was let in, and has been handled or will be.
LET_IN = Q(state__in=[State.RECEIVED, State.PROCESSING, State.RETRYING, State.DONE]) | Q(
    state=State.DEAD, attempts__gt=0
)


class Verdict(Enum):
    """What became of a quarantined payload."""

    ADMITTED = "admitted"
    #: It stays where it is.
    BAD = "bad"
    #: Its key has come another way: it stays where it is.
    DUPLICATE = "duplicate"
    #: It is quarantined no more: somebody else was faster.
    GONE = "gone"


class Verified(NamedTuple):
    """How many became what."""

    admitted: int
    bad: int
    duplicates: int


def verify_again(payload: RawPayload) -> Verdict:
    """Hand a quarantined payload to the workers if one of its source's secrets signed it; else note why not.

    One whose key has come another way meanwhile is not handled twice: it stays. Raises what the database and
    the storage of large bodies raise.
    """
    if problem := _problem(payload):
        return Verdict.BAD if _note(payload, problem) else Verdict.GONE
    try:
        return _decide(payload)
    except IntegrityError:  # its key came just now: that one is found, the second time
        return _decide(payload)


def _decide(payload: RawPayload) -> Verdict:
    key = payload.idempotency_key
    with transaction.atomic():
        twin = _twin(payload)
        if twin:
            return Verdict.DUPLICATE if _note(payload, _same_key(payload, twin)) else Verdict.GONE
        # A random one until now: whoever has no secret must not take a key's receipt.
        receipt = {"receipt": receipt_for(payload.source, key)} if key else {}
        if not RawPayload.objects.filter(pk=payload.pk).admit(**receipt):
            return Verdict.GONE
    if receipt:
        logger.info("%s is %s from now on, by its key", payload.receipt, receipt["receipt"])
    transaction.on_commit(wake)
    return Verdict.ADMITTED


def verify_all(payloads: "QuerySet[RawPayload]") -> Verified:
    """Verify all of them that are quarantined, in order of arrival. Raises as `verify_again` does."""
    found = dict.fromkeys(Verdict, 0)
    ids = payloads.filter(state=State.QUARANTINED, pk__lte=youngest()).order_by("pk").values_list("pk", flat=True)
    last = 0
    while pks := list(ids.filter(pk__gt=last)[:BATCH]):
        for pk in pks:
            found[verify_one(pk)] += 1
        last = pks[-1]
    return Verified(found[Verdict.ADMITTED], found[Verdict.BAD], found[Verdict.DUPLICATE])


def verify_one(pk: int) -> Verdict:
    """`verify_again` for an id: one body at a time is in memory."""
    payload = RawPayload.objects.filter(pk=pk, state=State.QUARANTINED).first()
    return verify_again(payload) if payload else Verdict.GONE


def _note(payload: RawPayload, reason: str) -> int:
    return RawPayload.objects.filter(pk=payload.pk, state=State.QUARANTINED).update(error=clean(reason))


def _problem(payload: RawPayload) -> str:
    """Why it is not let in, or ""."""
    source = conf.source(payload.source)
    if not source.signature:
        return "the source verifies no signatures any more"
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
    """Another payload with its key that was let in. In a transaction: nobody else decides on this key meanwhile."""
    key = payload.idempotency_key
    if not key:
        return None
    # The condition of the index raw_key, as SQLite wants to see it, and no other index to choose.
    has_key = RawPayload.objects.exclude(idempotency_key="").annotate(its_source=Coalesce("source", "source"))
    same = has_key.filter(idempotency_key=key, its_source=payload.source).defer("inline_body").order_by("pk")
    if connections[DEFAULT_DB_ALIAS].features.has_select_for_update:  # on SQLite the transaction itself is exclusive
        _lock(payload)
    owner = Q(receipt=receipt_for(payload.source, key))
    twin: RawPayload | None = same.exclude(pk=payload.pk).filter(owner | LET_IN).first()
    return twin


def _lock(payload: RawPayload) -> None:
    """Until the transaction's end, for all who would let in a payload with this key."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        number = receipt_for(payload.source, payload.idempotency_key).int >> 65  # a positive bigint
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _same_key(payload: RawPayload, twin: RawPayload) -> str:
    bodies = "the same body" if twin.digest == payload.digest else "another body"
    return f"Not handled: its key {payload.idempotency_key!r} came with {twin.receipt}, which has {bodies}."
