"""A Django project that is not ours, as `django-admin startproject` makes it, with the engine put in by README's steps.

It sees the package `notifications` alone. Each command is a process of its own, with the settings of this project.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest

from tests.support import host_client, pairs
from tests.support.child import BASE_DIR, bare_env
from tests.support.pairs import Pair
from tests.support.project import Project

SETTINGS: Final = """

# The engine, as docs/your-project.md has it.
INSTALLED_APPS += [ENGINE]
NOTIFICATIONS_STATE_DIR = BASE_DIR / "var"
NOTIFICATIONS_JOURNAL_URL = f"file://{BASE_DIR}/var/journal"
NOTIFICATIONS_CHANNELS = {
    "SLACK": {"class": "notifications.channels.slack.Slack", "token": "", "channel": "#general"},
    "REPORT": {"class": "notifications.channels.report.Report"},
}
NOTIFICATIONS_SOURCES = {
    "welcome": {},
    "demo": {"http": True},
    "wobbles": {"http": True, "max_attempts": 2},
    "fails": {"http": True, "max_attempts": 1},
}
"""
URLS: Final = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("notifications.urls"))]
"""
HANDLERS: Final = """
from pathlib import Path

from notifications import on_payload

@on_payload("demo")
@on_payload("welcome")
def show(payload):
    print("handled", payload.source, len(payload.body))

@on_payload("wobbles")
def wobble(payload):
    if payload.attempts < 2:
        raise ValueError("it wobbles")
    print("handled", payload.source, len(payload.body))

@on_payload("fails")
def fail(payload):
    if not Path("mended").exists():
        raise ValueError("it fails")
    print("handled", payload.source, len(payload.body))
"""
Interface = Literal["wsgi", "asgi"]


class Answer(NamedTuple):
    """What a request was answered with. `headers` by names in title case."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """A post, unless `method` says otherwise. Of `headers` one that is None is not sent."""

    path: str
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    method: str = "POST"
    query: str = ""
    script_name: str = ""

    @property
    def as_json(self) -> dict[str, Any]:
        """For host_client.py."""
        return asdict(self) | {"body": self.body.decode("latin-1")}


def get(path: str, **more: Any) -> Request:
    """A GET, without a body."""
    return replace(Request(path, **more), method="GET", headers={"content-length": None, **more.get("headers", {})})


class AskedProject(Project):
    """One whose application is asked without a web server: config.wsgi or config.asgi."""

    def __init__(self, folder: Path, command: Sequence[str], env: Mapping[str, str]) -> None:
        super().__init__(folder, command, env)
        shutil.copy(host_client.__file__, folder / "client.py")

    def python(self, code: str) -> str:
        """Run code once Django is set up."""
        return self.run("-c", f"import django; django.setup()\n{code}")

    def ask(self, *requests: Request, interface: Interface = "wsgi") -> list[Answer]:
        """What its application answers to each."""
        return [Answer(*each) for each in self._client("ask", interface, [each.as_json for each in requests])]

    def get(self, path: str, **more: Any) -> Answer:
        """GET one page."""
        return self.ask(get(path, **more))[0]

    def crawl(
        self,
        *,
        admin: str = "/admin/",
        label: str = "notifications",
        pages: int = 30,
        script_name: str = "",
        interface: Interface = "wsgi",
    ) -> dict[str, str]:
        """Open up to so many pages of the engine's admin; their texts by address. AssertionError at one that fails."""
        found: dict[str, str] = self._client("crawl", interface, [f"{admin}{label}/", pages, script_name])
        return found

    def _client(self, command: str, interface: Interface, asked: Any) -> Any:
        self.write("asked.json", json.dumps(asked))
        said = self.run("client.py", command, interface, "asked.json")
        line = next((line for line in said.splitlines() if line.startswith("ANSWERS")), None)
        assert line, said
        return json.loads(line.removeprefix("ANSWERS"))


class HostProject(AskedProject):
    """`pair`: whose Python and Django it has; None: ours. `settings` end settings.py. The engine is not in it yet."""

    def __init__(self, folder: Path, *, pair: Pair | None = None, settings: str = "") -> None:
        project, packages = folder / "host", folder / "packages"
        for path in (project, packages):
            path.mkdir()
        env = {"DJANGO_SETTINGS_MODULE": "config.settings"}
        if pair is None:
            super().__init__(project, [sys.executable], bare_env(folder) | env | {"PYTHONPATH": str(packages)})
            (packages / "notifications").symlink_to(BASE_DIR / "notifications")
        else:
            env["PYTHONPATH"] = f"{pairs.TREE}/{packages.name}"
            super().__init__(project, pairs.python_of(pair, folder, inside=project.name, env=env), os.environ)
            unlike = shutil.ignore_patterns("__pycache__")  # of another Python
            shutil.copytree(BASE_DIR / "notifications", packages / "notifications", ignore=unlike)
        self.run("-m", "django", "startproject", "config", ".")
        for name in ("shop/__init__.py", "shop/migrations/__init__.py"):
            self.write(name, "")
        self.add_settings(f'INSTALLED_APPS += ["shop"]\nALLOWED_HOSTS = ["testserver", "127.0.0.1"]\n{settings}')

    def install(self, *, settings: str = "", urls: str = URLS, engine: str = "notifications") -> None:
        """Put the engine in. `settings` are lines after its own; `engine` is how INSTALLED_APPS names it."""
        (self.folder / "var").mkdir(mode=0o700)
        self.write("shop/handlers.py", HANDLERS)
        self.write("config/urls.py", urls)
        self.add_settings(SETTINGS.replace("ENGINE", repr(engine)) + settings)

    def add_settings(self, lines: str) -> None:
        """Lines at the end of settings.py."""
        with (self.folder / "config" / "settings.py").open("a") as settings:
            settings.write(lines + "\n")


@pytest.fixture
def host(tmp_path: Path) -> HostProject:
    """A stock project with the engine, on SQLite, without tables."""
    project = HostProject(tmp_path)
    project.install()
    return project
