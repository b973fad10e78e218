"""The site's settings with handlers that count, and leases that run out while a process is stopped."""

from typing import Any

from proppy.settings import *  # noqa: F403
from proppy.settings import INSTALLED_APPS, STATE_DIR, STORAGES

INSTALLED_APPS += ["tests.support.fault_app"]
# Deaths of workers count as attempts, and here they die all the time.
_source: dict[str, Any] = {"http": True, "lease": 1.0, "max_attempts": 10_000}
NOTIFICATIONS_SOURCES = {"quick": _source, "slow": _source, "flaky": _source}
# Several machines share it, each of which has a state directory of its own.
STORAGES["shared-bodies"] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": str(STATE_DIR.parent / "bodies"), "allow_overwrite": True},
}
NOTIFICATIONS_BODY_STORAGE = "shared-bodies"
