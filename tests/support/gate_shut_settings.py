"""The same as in gate_heard_settings.py, and the view answers each post."""

from tests.support.gate_heard_settings import *  # noqa: F403

NOTIFICATIONS_GATE = False
