"""A project as others have it: Django, the engine and one app of its own, without this site and its settings."""

import sys
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR, bare_env
from tests.support.project import MANAGE, Project

SETTINGS: Final = """
from pathlib import Path
HERE = Path(__file__).parent
SECRET_KEY = "only-for-tests-" + "x" * 40
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "notifications", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "db.sqlite3", "CONN_MAX_AGE": None}}
NOTIFICATIONS_STATE_DIR = HERE / "var"
NOTIFICATIONS_SOURCES = {"payment": {}}
NOTIFICATIONS_CHANNELS = {"REPORT": {"class": "notifications.channels.report.Report"}}
NOTIFICATIONS_ALERT_CHANNEL = "REPORT"
"""
HANDLERS: Final = """
from notifications import emit, on_payload

@on_payload("payment")
def count(payload):
    emit("REPORT", "paid " + payload.body.decode())
"""


class SmallProject(Project):
    """In a folder. `settings` are added to those that it has."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        env = bare_env(folder) | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(BASE_DIR)}
        super().__init__(folder, [sys.executable], env)
        self.state_dir = folder / "var"
        self.state_dir.mkdir(mode=0o700)
        self.write("settings.py", SETTINGS + settings)
        self.write("shop/__init__.py", "")
        self.write("shop/handlers.py", HANDLERS)
        self.write("manage.py", MANAGE)

    def python(self, *words: str) -> str:
        """Run Python in it, as `run()`."""
        return self.run(*words)
