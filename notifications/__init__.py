"""The engine: tell, keep and shrug, for any Django project. See README.md."""

# Before orjson: its start-up imports these, and ends the process by a segmentation fault if SIGINT interrupts it there.
import dataclasses  # noqa: F401
import datetime  # noqa: F401
import enum  # noqa: F401
import uuid  # noqa: F401
import zoneinfo  # noqa: F401

from notifications.errors import IntakeError
from notifications.events.emit import emit
from notifications.events.event import Event
from notifications.handlers import GiveUp, RetryAt, on_event, on_payload
from notifications.intake.capture_post import capture
from notifications.intake.from_event_loop import acapture, akeep
from notifications.intake.keep_bytes import keep
from notifications.intake.raw_view import raw_body
from notifications.utils import import_name  # noqa: F401  it raises where files of another package are among ours

__all__ = [
    "Event",
    "GiveUp",
    "IntakeError",
    "RetryAt",
    "acapture",
    "akeep",
    "capture",
    "emit",
    "keep",
    "on_event",
    "on_payload",
    "raw_body",
]
