"""A Django project that is not ours, as `django-admin startproject` makes it, with the engine put in by README's steps.

It sees the package `notifications` alone. Each command is a process of its own, with the settings of this project.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest

from tests.support import host_client, pairs
from tests.support.child import BASE_DIR, bare_env
from tests.support.pairs import Pair

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


class HostProject:
    """`pair`: whose Python and Django it has; None: ours. `settings` end settings.py. The engine is not in it yet."""

    def __init__(self, folder: Path, *, pair: Pair | None = None, settings: str = "") -> None:
        self.folder = folder / "host"
        env = {"DJANGO_SETTINGS_MODULE": "config.settings"}
        packages = folder / "packages"
        for path in (self.folder, packages):
            path.mkdir()
        self._env: dict[str, str] | None = None
        if pair is None:
            self._env = bare_env(folder) | env | {"PYTHONPATH": str(packages)}
            self._python = [sys.executable]
            (packages / "notifications").symlink_to(BASE_DIR / "notifications")
        else:
            env["PYTHONPATH"] = f"{pairs.TREE}/{packages.name}"
            self._python = pairs.python_of(pair, folder, inside=self.folder.name, env=env)
            unlike = shutil.ignore_patterns("__pycache__")  # of another Python
            shutil.copytree(BASE_DIR / "notifications", packages / "notifications", ignore=unlike)
        self.run("-m", "django", "startproject", "config", ".")
        (self.folder / "shop" / "migrations").mkdir(parents=True)
        for name in ("shop/__init__.py", "shop/migrations/__init__.py"):
            (self.folder / name).touch()
        self.add_settings(f'INSTALLED_APPS += ["shop"]\nALLOWED_HOSTS = ["testserver", "127.0.0.1"]\n{settings}')
        shutil.copy(host_client.__file__, self.folder / "client.py")

    def install(self, *, settings: str = "", urls: str = URLS, engine: str = "notifications") -> None:
        """Put the engine in. `settings` are lines after its own; `engine` is how INSTALLED_APPS names it."""
        (self.folder / "var").mkdir(mode=0o700)
        self.write("shop/handlers.py", HANDLERS)
        self.write("config/urls.py", urls)
        self.add_settings(SETTINGS.replace("ENGINE", repr(engine)) + settings)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace text that is there in a file of the project."""
        text = (self.folder / name).read_text()
        assert old in text, text
        self.write(name, text.replace(old, new))

    def add_settings(self, lines: str) -> None:
        """Lines at the end of settings.py."""
        with (self.folder / "config" / "settings.py").open("a") as settings:
            settings.write(lines + "\n")

    def run(self, *command: str, fails: bool = False) -> str:
        """Run Python with these arguments in the project; what it printed. AssertionError with that otherwise."""
        with subprocess.Popen(
            [*self._python, *command],
            env=self._env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=240)
            except subprocess.TimeoutExpired:
                process.terminate()  # SIGKILL would leave what runs in a pair's Debian
                raise AssertionError(f"{command} still runs:\n{process.communicate()[0]}") from None
        assert bool(process.returncode) == fails, f"{' '.join(command)[:200]}: {process.returncode}\n{said}"
        return said

    def manage(self, *arguments: str, fails: bool = False) -> str:
        """Run manage.py."""
        return self.run("manage.py", *arguments, fails=fails)

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


@pytest.fixture
def host(tmp_path: Path) -> HostProject:
    """A stock project with the engine, on SQLite, without tables."""
    project = HostProject(tmp_path)
    project.install()
    return project
