"""The receipt of the payload in hand. Events that are emitted meanwhile carry it: the payload's page shows them."""

from contextvars import ContextVar
from typing import Final
from uuid import UUID

#: None outside a handler. A thread that a handler starts has it only in a copied context (contextvars.copy_context).
receipt_in_hand: Final[ContextVar[UUID | None]] = ContextVar("receipt_in_hand", default=None)
