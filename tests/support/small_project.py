"""A project as others have it: Django, the engine and one app of its own, without this site and its settings."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR, bare_env

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


class SmallProject:
    """In a folder. `settings` are added to those that it has."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        self.state_dir = folder / "var"
        self.state_dir.mkdir(mode=0o700)
        self.write("settings.py", SETTINGS + settings)
        self.write("shop/__init__.py", "")
        self.write("shop/handlers.py", HANDLERS)

    def write(self, name: str, text: str) -> None:
        """A file of it."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def manage(self, *command: str) -> str:
        """Run one of its commands; what it has printed to stdout and stderr. AssertionError with that if it fails."""
        return self.python("-m", "django", *command)

    def python(self, *words: str) -> str:
        """Run Python in it, likewise."""
        env = bare_env(self.folder) | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(BASE_DIR)}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout
