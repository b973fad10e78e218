"""Payloads by receipt or idempotency key, each through its own index."""

import re
import uuid
from typing import Final

from django.db.models import Q

from notifications.models import RawPayload

#: Fewer hexadecimal digits of a receipt would find thousands.
SHORTEST: Final = 8
#: Below every SQLite's limit of parameters.
MOST: Final = 500
HEX: Final = re.compile(r"[0-9a-f]{1,32}")
HAS_KEY: Final = ~Q(idempotency_key="")  # as in the index raw_key


def by_key(term: str) -> list[int]:
    """The ids of payloads whose idempotency key is `term`, or whose receipt begins with it: at least 8 digits, dashes
    optional.
    """
    keyed = RawPayload.objects.filter(HAS_KEY, idempotency_key=term).order_by("idempotency_key")
    found = set(keyed.values_list("pk", flat=True)[:MOST])
    if span := _receipts(term):
        received = RawPayload.objects.filter(receipt__gte=span[0], receipt__lte=span[1]).order_by("receipt")
        found |= set(received.values_list("pk", flat=True)[:MOST])
    return sorted(found, reverse=True)[:MOST]


def _receipts(term: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The first and the last receipt that begin with `term`."""
    digits = term.lower().replace("-", "")
    if len(digits) < SHORTEST or not HEX.fullmatch(digits):
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
