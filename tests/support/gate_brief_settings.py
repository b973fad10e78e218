"""The settings of tests/app_settings.py, with connections that end with each request."""

from tests.app_settings import *  # noqa: F403
from tests.app_settings import DATABASES

DATABASES["default"]["CONN_MAX_AGE"] = 0
