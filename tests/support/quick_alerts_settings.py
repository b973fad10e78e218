"""The site's settings, for alerts that come within seconds."""

from proppy.settings import *  # noqa: F403
from proppy.settings import INSTALLED_APPS as SITE_APPS

# Not +=: tests import this file too, and the list is the site's own.
INSTALLED_APPS = [*SITE_APPS, "tests.support.quick_alerts.QuickAlerts"]
