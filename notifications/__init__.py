"""The engine: tell, keep and shrug, for any Django project. See README.md."""

from notifications.errors import IntakeError
from notifications.events import Event, emit
from notifications.handlers import GiveUp, RetryAt, on_event, on_payload
from notifications.intake import capture, keep
from notifications.raw_body import raw_body

__all__ = ["Event", "GiveUp", "IntakeError", "RetryAt", "capture", "emit", "keep", "on_event", "on_payload", "raw_body"]
