"""The benchmarks' settings, with seven channels."""

from tests.benchmarks.settings import *  # noqa: F403

NOTIFICATIONS_CHANNELS = {name: {"class": "tests.benchmarks.channels.Empty"} for name in "ABCDEFG"}
