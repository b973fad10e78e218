"""The settings of tests/app, with a page that fails, for counts that are reported each second."""

from tests.app_settings import *  # noqa: F403

NOTIFICATIONS_METRICS_INTERVAL = 1.0
ROOT_URLCONF = "tests.support.failing_urls"
