"""The project's real processes, with an environment made from nothing: no developer's settings leak in."""

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from tests.support.child import BIN, Process, bare_env
from tests.support.ports import free_port
from tests.support.visitor import Visitor
from tests.support.warm_python import run_python

__all__ = ["Name", "Process", "Site", "site"]

Name = Literal["web", "follow_journal", "process_raw"]


class Site:
    """The web server and the workers; `env` may be changed until they are started.

    `env` is complete: SQLite, the file journal and media in `folder`; the console for Slack and mail.
    Add the `env` of FakeSlack, MailServer and S3Server: `site.env |= slack.env | mail_server.env`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = settings_env(folder)
        self._processes: dict[Name, Process] = {}

    def manage(self, *arguments: str) -> str:
        """Run `manage.py ARGUMENTS` to its end; what it printed. AssertionError with that if it fails."""
        done = run_python(["manage.py", *arguments], env=self.env, timeout=120)
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def migrate(self) -> None:
        """Make the database's tables; in a new SQLite file they are those that the first test's command has made."""
        path = Path(self.env["DATABASE_URL"].removeprefix("sqlite:///"))
        if path.is_absolute() and path.parent.is_dir() and not path.exists():
            shutil.copy(_migrated_sqlite(self.env["DJANGO_SETTINGS_MODULE"]), path)
        else:
            self.manage("migrate", "--verbosity", "0")

    def start(self, name: Name, *arguments: str) -> Process:
        """Start one of the processes with more arguments; "web" accepts connections when this returns."""
        assert name not in self._processes or not self._processes[name].alive, f"{name} runs already"
        command = [*self.command(name), *arguments]
        process = self._processes[name] = Process(command, env=self.env, log=self.folder / f"{name}.log")
        if name == "web":
            process.wait_until_listening(self.port)
        return process

    def kill(self, name: Name) -> None:
        """SIGKILL for the process and its children, if it was started."""
        if process := self._processes.get(name):
            process.kill()

    def terminate(self, name: Name, timeout: float = 30) -> int:
        """SIGTERM as systemd sends it; the exit code. AssertionError if it takes longer."""
        return self._processes[name].terminate(timeout)

    def log(self, name: Name) -> str:
        """What the process has printed in all its lives; "" if it never ran."""
        process = self._processes.get(name)
        return process.log if process else ""

    def browse(self) -> Visitor:
        """A new visitor, without cookies."""
        return Visitor(self.url)

    def stop(self) -> None:
        """Kill what runs and print all logs, which pytest shows where a test failed."""
        for name, process in self._processes.items():
            process.kill()
            print(f"--- {name} ({process.log_path})\n{process.log}")

    def assert_understood(self) -> None:
        """That PostgreSQL understood each statement: workers log that it did not, and go on without an answer."""
        found = [name for name in self._processes if "ProgrammingError" in self.log(name)]
        assert not found, f"ProgrammingError in the log of {', '.join(found)}"

    def command(self, name: Name) -> list[str]:
        """What starts one of the processes."""
        if name != "web":
            return [sys.executable, "manage.py", name]
        options = ["--config=python:proppy.web_server", "--threads=1", f"--bind=127.0.0.1:{self.port}"]
        return [str(BIN / "gunicorn"), *options, "proppy.wsgi:application"]


@cache
def _migrated_sqlite(settings: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="proppy-migrated-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "state").mkdir(mode=0o700)
    site = Site(folder)
    site.env["DJANGO_SETTINGS_MODULE"] = settings
    site.manage("migrate", "--verbosity", "0")
    return folder / "state" / "proppy.sqlite3"


def settings_env(folder: Path) -> dict[str, str]:
    """Each variable that proppy/settings.py reads: one left out would come from a developer's .env."""
    state = folder / "state"
    return bare_env(folder) | {
        "PYTHONFAULTHANDLER": "1",
        "DJANGO_SETTINGS_MODULE": "proppy.settings",
        "SECRET_KEY": "only-for-tests-" + "y" * 40,
        "LOCAL_ADMIN_PASSWORD": "",
        "DEBUG": "true",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "TRUSTED_PROXIES": "",
        "RATE_LIMITS": "false",
        "STATUS_TOKEN": "",
        "STATE_DIR": str(state),
        "DATABASE_URL": f"sqlite:///{state}/proppy.sqlite3",
        "SQLITE_SYNCHRONOUS": "NORMAL",
        "JOURNAL_URL": f"file://{state}/journal",
        "TEXT_JOURNAL_URL": "",
        "METRICS_URL": "",
        "SLACK_TOKEN": "",
        "SLACK_WEBHOOK_URL": "",
        "SLACK_CHANNEL": "#proppy",
        "SLACK_USERNAME": "proppybot",
        "SLACK_ICON": ":robot_face:",
        "SLACK_API_URL": "",
        "SLACK_ALERT_CHANNEL": "",
        "SLACK_ALERT_WEBHOOK_URL": "",
        "ALERT_LOG_UNITS": "",
        "RELEASE": "",
        "SITE_URL": "",
        "HEARTBEAT_URL": "",
        "HTTPS_PROXY": "",
        "NO_PROXY": "",
        "WEBHOOK_URL": "",
        "WEBHOOK_SECRET": "",
        "EMAIL_URL": "consolemail://",
        "DEFAULT_FROM_EMAIL": "proppy <proppy@localhost>",
        "S3_BUCKET": "",
        "S3_ENDPOINT_URL": "",
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "NOTIFY_SOCKET": "",
        "JOURNAL_STREAM": "",
        "PIPED_TO_TERMINAL": "",
        "RAW_MAX_BODY_BYTES": str(10 * 1024 * 1024),
    }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "state").mkdir(mode=0o700)
    running = Site(tmp_path)
    yield running
    running.stop()
    running.assert_understood()
