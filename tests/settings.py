"""The site's settings for tests: nothing of the developer's environment, nothing outside the process."""

import os
import tempfile
from pathlib import Path

_STATE_DIR = Path(tempfile.mkdtemp(prefix="proppy-tests-"))
os.environ.update(
    SECRET_KEY="only-for-tests-" + "x" * 40,
    DEBUG="false",
    ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", f"sqlite:///{_STATE_DIR}/proppy.sqlite3"),
    STATE_DIR=str(_STATE_DIR),
    JOURNAL_URL="memory://",
    TEXT_JOURNAL_URL="",
    METRICS_URL="",
    RATE_LIMITS="false",
    SLACK_TOKEN="",
    SLACK_ALERT_CHANNEL="",
    SLACK_ALERT_WEBHOOK_URL="",
    WEBHOOK_URL="",
    SITE_URL="",
    HEARTBEAT_URL="",
    S3_BUCKET="",
    EMAIL_URL="memorymail://",
    SQLITE_SYNCHRONOUS="OFF",
)

from proppy.settings import *  # noqa: E402, F403
from proppy.settings import DATABASES, NOTIFICATIONS_SOURCES, STORAGES  # noqa: E402

# A file, as in production: SQLite in memory locks tables without waiting, and threads would fail on each other.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(_STATE_DIR / "test.sqlite3")}
SECURE_SSL_REDIRECT = False
STATIC_ROOT = _STATE_DIR / "static"
STATIC_ROOT.mkdir()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
NOTIFICATIONS_SOURCES["demo"] = {"http": True}
