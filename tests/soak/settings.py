"""The site's settings as deployed, with sources whose handlers count what they were given."""

from typing import Any

from proppy.settings import *  # noqa: F403
from proppy.settings import INSTALLED_APPS, MIDDLEWARE, NOTIFICATIONS_SOURCES, STATE_DIR
from tests.soak.held import INTERVAL

INSTALLED_APPS += ["tests.soak"]
_counts = MIDDLEWARE.index("notifications.middleware.RequestStats")
MIDDLEWARE = [*MIDDLEWARE[: _counts + 1], "tests.soak.middleware.NameProcess", *MIDDLEWARE[_counts + 1 :]]
# What a web server that is killed has not told yet is no more than the requests of so many seconds.
NOTIFICATIONS_METRICS_INTERVAL = INTERVAL
STATIC_ROOT = STATE_DIR.parent / "static"
# An outage of a third party, or the deaths of a worker, are no reason to give a payload up here.
_often: dict[str, Any] = {"max_attempts": 10_000}
NOTIFICATIONS_SOURCES = {
    **{name: source | _often for name, source in NOTIFICATIONS_SOURCES.items()},
    **{name: {"http": True} | _often for name in ("quick", "slow", "flaky")},
    "small": {"http": True, "max_body_bytes": 10_000} | _often,
}
