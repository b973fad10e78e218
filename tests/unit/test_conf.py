"""Settings are read once, and again when Django says that one has changed."""

import subprocess
import sys
from pathlib import Path

from django.test import override_settings

from notifications.conf import conf
from tests.support.child import BASE_DIR

SETTINGS = """
from notifications.conf import conf

SECRET_KEY = "s"
INSTALLED_APPS = ["notifications"]
TOO_EARLY = conf.raw_max_body_bytes
NOTIFICATIONS_RAW_MAX_BODY_BYTES = 5
NOTIFICATIONS_DATABASE = "other"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}, "other": {"ENGINE": "django.db.backends.sqlite3"}}
"""
LOOK = """
import django
from django.conf import settings
django.setup()
from notifications.conf import conf
print(settings.TOO_EARLY, conf.raw_max_body_bytes, conf.database)
"""


def test_a_change_is_seen_and_its_end() -> None:
    before = conf.raw_max_body_bytes, conf.rate_limits, conf.database
    with override_settings(NOTIFICATIONS_RAW_MAX_BODY_BYTES=7, NOTIFICATIONS_RATE_LIMITS=not before[1]):
        assert (conf.raw_max_body_bytes, conf.rate_limits) == (7, not before[1])
        with override_settings(NOTIFICATIONS_RAW_MAX_BODY_BYTES=8):
            assert conf.raw_max_body_bytes == 8
        assert conf.raw_max_body_bytes == 7
    assert (conf.raw_max_body_bytes, conf.rate_limits, conf.database) == before


def test_what_is_read_while_the_settings_are_loaded_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "early_settings.py").write_text(SETTINGS)
    env = {"PYTHONPATH": f"{BASE_DIR}:{tmp_path}", "DJANGO_SETTINGS_MODULE": "early_settings"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == [str(10 * 1024 * 1024), "5", "other"], done.stderr
