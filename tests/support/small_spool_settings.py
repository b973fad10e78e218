"""The site's settings with a spool that is soon full, for counts that are reported each second."""

from proppy.settings import *  # noqa: F403

NOTIFICATIONS_SPOOL_MAX_BYTES = 4500
NOTIFICATIONS_METRICS_INTERVAL = 1.0
