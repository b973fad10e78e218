"""Accounts of the events journal: which events were lost, and which entries were refused."""

from notifications.losses.accountant import Accountant
from notifications.losses.observed_entry import Observed
from notifications.losses.refused_entries import TextRefusals

__all__ = ["Accountant", "Observed", "TextRefusals"]
