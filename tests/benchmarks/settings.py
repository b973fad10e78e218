"""The site's settings as deployed, with what the benchmarks measure it against."""

import os

from proppy.settings import *  # noqa: F403
from proppy.settings import INSTALLED_APPS, NOTIFICATIONS_CHANNELS, NOTIFICATIONS_SOURCES

INSTALLED_APPS += ["tests.benchmarks"]
NOTIFICATIONS_SOURCES["demo"] = {"http": True}
NOTIFICATIONS_SOURCES |= {"bench": {}, "bench_start": {}}
NOTIFICATIONS_SOURCES |= {f"s{number}": {"http": True} for number in range(int(os.environ.get("BENCH_SOURCES", "0")))}
NOTIFICATIONS_CHANNELS["BENCH"] = {"class": "tests.benchmarks.channels.Empty"}
