"""The benchmarks' settings, with five more channels, one of which hangs."""

from tests.benchmarks.settings import *  # noqa: F403
from tests.benchmarks.settings import NOTIFICATIONS_CHANNELS

NOTIFICATIONS_CHANNELS |= {name: {"class": "tests.benchmarks.channels.OneByOne"} for name in ("A", "B", "C", "D")}
NOTIFICATIONS_CHANNELS["HANGING"] = {"class": "tests.benchmarks.channels.Hanging"}
