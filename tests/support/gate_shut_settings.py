"""The settings of tests/app_settings.py, and the view answers each post."""

from tests.app_settings import *  # noqa: F403

NOTIFICATIONS_GATE = False
