"""The site's settings with tests/app added: handlers that misbehave, under short leases."""

from typing import Any

from proppy.settings import *  # noqa: F403
from proppy.settings import INSTALLED_APPS as SITE_APPS
from proppy.settings import NOTIFICATIONS_SOURCES as SITE_SOURCES

# Not +=: tests import this file too, and the list is the site's own.
INSTALLED_APPS = [*SITE_APPS, "tests.app"]
_quick: dict[str, Any] = {"lease": 1.0, "max_attempts": 3}
NOTIFICATIONS_SOURCES = {
    **SITE_SOURCES,
    "count": _quick | {"lease": 60.0},
    "slow": _quick | {"lease": 60.0},
    "raises": _quick,
    "hangs": _quick,
    "hangs-atomic": _quick,
    "kills": _quick,
    "leaves": _quick | {"lease": 60.0, "max_attempts": 16},
    "forks": _quick | {"lease": 60.0},
    "forks-atomic": _quick | {"lease": 60.0},
    "asks-later": _quick,
    "posted": {"http": True},
    "rare": {"http": True, "rate": "2/hour"},
    "small": {"http": True, "max_body_bytes": 100},
}
