"""tests/app_settings for several machines: leases that run out soon, and the counting source open to HTTP."""

from tests.app_settings import *  # noqa: F403
from tests.app_settings import NOTIFICATIONS_SOURCES

#: Seconds. Long enough for the pauses of a busy test machine.
LEASE = 3.0
NOTIFICATIONS_SOURCES = {
    name: source | {"lease": LEASE, "max_attempts": 20, "http": name == "count"}
    for name, source in NOTIFICATIONS_SOURCES.items()
}
