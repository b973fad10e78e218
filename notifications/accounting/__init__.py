"""Exact accounts of the events journal: what was lost, and what was refused."""

from notifications.accounting.accountant import Accountant
from notifications.accounting.observed import Observed
from notifications.accounting.refusals import TextRefusals
from notifications.accounting.telling import tell_losses

__all__ = ["Accountant", "Observed", "TextRefusals", "tell_losses"]
