"""A project as `startproject` makes it, with the engine beside it and nothing of the site."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.child import BASE_DIR, Process, bare_env
from tests.support.project import Project

#: What our page has a project add, in a project of one folder.
SETTINGS = """
INSTALLED_APPS += [ENGINE, "shop"]
NOTIFICATIONS_STATE_DIR = BASE_DIR / "var"
NOTIFICATIONS_JOURNAL_URL = f"file://{BASE_DIR}/var/journal"
NOTIFICATIONS_CHANNELS = {
    "SLACK": {"class": "notifications.channels.slack.Slack", "token": "", "channel": "#general"},
    "REPORT": {"class": "notifications.channels.report.Report"},
}
NOTIFICATIONS_SOURCES = {"order": {"http": True}}
"""
PACKAGE = """
from notifications.sqlite import use_fixed_sqlite

use_fixed_sqlite()
"""
URLS = """
from django.urls import include

urlpatterns += [path("", include("notifications.urls"))]
"""
HANDLERS = """
from notifications import on_payload


@on_payload("order")
def order(payload):
    if payload.body == b"fails":
        raise ValueError("as asked")
"""
DATABASE = """
from notifications import sqlite

DATABASES = {"default": sqlite.database(BASE_DIR / "db.sqlite3")}
"""


class StockProject(Project):
    """`folder` has manage.py, and the project's package `shop`, which is an app too. `settings` end its settings.py.

    `engine`: how INSTALLED_APPS names ours. `python`: its interpreter.
    """

    def __init__(
        self, folder: Path, settings: str = DATABASE, *, engine: str = "notifications", python: str = sys.executable
    ) -> None:
        env = bare_env(folder) | {"PYTHONPATH": str(BASE_DIR), "DJANGO_SETTINGS_MODULE": "shop.settings"}
        super().__init__(folder, [python], env)
        folder.mkdir()
        self.run("-m", "django", "startproject", "shop", ".")
        (folder / "var").mkdir(mode=0o700)
        self.add("shop/__init__.py", PACKAGE)
        self.add("shop/handlers.py", HANDLERS)
        self.add("shop/urls.py", URLS)
        self.add("shop/settings.py", SETTINGS.replace("ENGINE", repr(engine)) + settings)
        self._processes: list[Process] = []

    def add(self, name: str, text: str) -> None:
        """Add text to a file of the project."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(text)

    def python(self, code: str) -> Any:
        """Run code in a process of the project, after `django.setup()`; what it printed last, from JSON."""
        out = self.run("-W", "error", "-c", f"import django; django.setup()\n{code}")
        return json.loads(out.splitlines()[-1])

    def start(self, *command: str) -> Process:
        """Start a process of Python; `stop()` ends it."""
        log = self.folder / f"{len(self._processes)}.log"
        self._processes.append(Process([*self.command, *command], env=self.env, log=log, cwd=self.folder))
        return self._processes[-1]

    def stop(self) -> None:
        """Kill what runs and print all logs, which pytest shows where a test failed."""
        for process in self._processes:
            process.kill()
            print(f"--- {process.log_path}\n{process.log}")


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[StockProject]:
    """Migrated."""
    project = StockProject(tmp_path / "stock")
    project.manage("migrate", "--verbosity", "0")
    yield project
    project.stop()
