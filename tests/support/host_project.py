"""A Django project that is not ours, as `django-admin startproject` makes it, with the engine put in by README's steps.

It sees the package `notifications` alone. Each command is a process of its own, with the settings of this project.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from django.core.management import call_command

from tests.support.child import BASE_DIR, bare_env

SETTINGS: Final = """

# The engine, as docs/your-project.md has it.
INSTALLED_APPS += ["notifications", "shop"]
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
DATABASES["default"]["CONN_MAX_AGE"] = None
NOTIFICATIONS_STATE_DIR = BASE_DIR / "var"
NOTIFICATIONS_JOURNAL_URL = f"file://{BASE_DIR}/var/journal"
NOTIFICATIONS_CHANNELS = {
    "SLACK": {"class": "notifications.channels.slack.Slack", "token": "", "channel": "#general"},
    "REPORT": {"class": "notifications.channels.report.Report"},
}
NOTIFICATIONS_SOURCES = {"welcome": {}, "demo": {"http": True}, "fails": {"http": True, "max_attempts": 1}}
"""
URLS: Final = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("notifications.urls"))]
"""
HANDLERS: Final = """
from notifications import on_event, on_payload

@on_payload("demo")
@on_payload("welcome")
def show(payload):
    print("handled", payload.source, len(payload.body))

@on_payload("fails")
def fail(payload):
    raise ValueError("it fails")
"""
#: Posts to the project's WSGI application, as a web server would: [path, body, more of the environment] each.
POST: Final = """
import io, json, sys
from config.wsgi import application

def post(path, body, more):
    statuses, body = [], body.encode()
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "testserver",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json", **more,
    }
    answer = application(environ, lambda status, headers, *_: statuses.append([status, dict(headers)]))
    content = b"".join(answer)
    getattr(answer, "close", lambda: None)()
    status, headers = statuses[-1]
    return [int(status.split()[0]), headers, content.decode("utf-8", "replace")]

print("ANSWERS" + json.dumps([post(*each) for each in json.loads(sys.argv[1])]))
"""


class Answer(NamedTuple):
    """What a request was answered with."""

    status: int
    headers: dict[str, str]
    text: str


class HostProject:
    """`settings` are lines after those of the engine; `urls` is the whole urls.py."""

    def __init__(self, folder: Path, *, settings: str = "", urls: str = URLS) -> None:
        self.folder = folder / "host"
        self.folder.mkdir()
        call_command("startproject", "config", self.folder, verbosity=0)
        shop, alone = self.folder / "shop", folder / "packages"
        for path in (shop, alone):
            path.mkdir()
        (self.folder / "var").mkdir(mode=0o700)
        (shop / "__init__.py").touch()
        self.write("shop/handlers.py", HANDLERS)
        (alone / "notifications").symlink_to(BASE_DIR / "notifications")
        self.write("config/urls.py", urls)
        self.add_settings(SETTINGS + settings)
        self.env = bare_env(folder) | {"PYTHONPATH": f"{alone}", "DJANGO_SETTINGS_MODULE": "config.settings"}

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / name).write_text(text)

    def add_settings(self, lines: str) -> None:
        """Lines at the end of settings.py."""
        with (self.folder / "config" / "settings.py").open("a") as settings:
            settings.write(lines + "\n")

    def run(self, *command: str, fails: bool = False) -> str:
        """Run Python with these arguments in the project; what it printed. AssertionError with that otherwise."""
        done = subprocess.run(
            [sys.executable, *command], env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        said = done.stdout + done.stderr
        assert bool(done.returncode) == fails, f"{' '.join(command)[:200]}: {done.returncode}\n{said}"
        return said

    def manage(self, *arguments: str, fails: bool = False) -> str:
        """Run manage.py."""
        return self.run("manage.py", *arguments, fails=fails)

    def python(self, code: str) -> str:
        """Run code once Django is set up."""
        return self.run("-c", f"import django; django.setup()\n{code}")

    def post(self, *requests: Sequence[Any]) -> list[Answer]:
        """POST each (path, body, more of the WSGI environment) to config.wsgi."""
        filled = [[*request, *("", {})[len(request) - 1 :]] for request in requests]
        said = self.run("-c", POST, json.dumps(filled))
        line = next(line for line in said.splitlines() if line.startswith("ANSWERS"))
        return [Answer(*each) for each in json.loads(line.removeprefix("ANSWERS"))]

    def get(self, path: str, **more: str) -> Answer:
        """GET one page."""
        return self.post((path, "", {"REQUEST_METHOD": "GET", "CONTENT_LENGTH": "", **more}))[0]


def settings_of(values: Mapping[str, Any]) -> str:
    """Lines of a settings.py."""
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())


@pytest.fixture
def host(tmp_path: Path) -> HostProject:
    """A stock project, on SQLite, without tables."""
    return HostProject(tmp_path)
