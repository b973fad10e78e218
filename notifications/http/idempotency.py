"""The receipt of a payload, from its Idempotency-Key; and the receipt of other bytes under the same key."""

import uuid
from typing import Final

NAMESPACE: Final = uuid.UUID("6f0a5ce1-8f0e-5c3c-9d5f-2d1d6a5c6f0e")


def receipt_for(source: str, key: str | None) -> uuid.UUID:
    """Returns the receipt of a payload: always the same for a source and key, random without a key."""
    return uuid.uuid5(NAMESPACE, f"{source}\0{key}") if key else uuid.uuid4()


def receipt_beside(receipt: uuid.UUID, digest: str) -> uuid.UUID:
    """Returns the receipt of other bytes under a used key: always the same. No key has it: keys have no NUL."""
    return uuid.uuid5(NAMESPACE, f"{receipt}\0\0{digest}")
