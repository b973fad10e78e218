"""The benchmarks' settings, where nothing follows the series."""

from notifications.channels import OWN
from tests.benchmarks.settings import *  # noqa: F403

OWN.clear()
