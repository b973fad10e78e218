"""The site's settings as deployed, with what the benchmarks measure it against."""

from proppy.settings import *  # noqa: F403
from proppy.settings import INSTALLED_APPS, NOTIFICATIONS_CHANNELS, NOTIFICATIONS_SOURCES

INSTALLED_APPS += ["tests.benchmarks"]
ROOT_URLCONF = "tests.benchmarks.urls"
NOTIFICATIONS_SOURCES["demo"] = {"http": True}
NOTIFICATIONS_SOURCES |= {"bench": {}, "bench_start": {}}
NOTIFICATIONS_CHANNELS["BENCH"] = {"class": "tests.benchmarks.channels.Empty"}
