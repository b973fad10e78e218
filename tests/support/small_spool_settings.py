"""The site's settings with a spool that is soon full."""

from proppy.settings import *  # noqa: F403

NOTIFICATIONS_SPOOL_MAX_BYTES = 4500
