"""A shop whose work is in flight while its engine is exchanged."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.support.child import Process
from tests.support.wait import wait_for
from tests.your_project.stock import Stock

#: What each version's page has, and both know.
SETTINGS: Final = """
INSTALLED_APPS += ["notifications", "mysite"]
NOTIFICATIONS_STATE_DIR = BASE_DIR / "var"
NOTIFICATIONS_JOURNAL_URL = f"file://{BASE_DIR}/var/journal"
NOTIFICATIONS_CHANNELS = {"REPORT": {"class": "notifications.channels.report.Report"}}
NOTIFICATIONS_SOURCES = {"order": {"http": True}}
NOTIFICATIONS_ALERT_CHANNEL = "REPORT"
DATABASES["default"]["CONN_MAX_AGE"] = None
"""
SQLITE: Final = """
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
"""
POSTGRESQL: Final = """
DATABASES["default"] |= {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "NAME": "mysite"}
DATABASES["default"] |= {"USER": "mysite", "OPTIONS": {"connect_timeout": 2}}
"""
PACKAGE: Final = """
from notifications.sqlite import use_fixed_sqlite

use_fixed_sqlite()
"""
URLS: Final = """
from django.urls import include

urlpatterns += [path("", include("notifications.urls"))]
"""
#: A group that is there already is an error: a payload that is handled twice fails.
HANDLERS: Final = """
import time
from pathlib import Path

from django.contrib.auth.models import Group

from notifications import GiveUp, emit, on_event, on_payload


@on_payload("order")
def order(payload):
    name = bytes(payload.body[:40]).decode().strip()
    if Path("var/broken").exists() and name.startswith("fails"):
        raise ValueError("fails while it is broken")
    if Path("var/broken").exists() and name.startswith("dies"):
        raise GiveUp("dies while it is broken")
    while Path("var/broken").exists() and name.startswith("hangs"):
        time.sleep(0.1)
    Group.objects.create(name=name)
    emit("TOLD", name)


@on_event("TOLD")
def told(event):
    with Path("var/told").open("a") as file:
        file.write(f"{event.text}\\n")
"""
GROUPS: Final = """
from django.contrib.auth.models import Group
print(*Group.objects.values_list("name", flat=True), sep="\\n")
"""


class Shop:
    """In a stock project whose environment has an engine."""

    def __init__(self, project: Stock) -> None:
        self.project = project
        #: What must be told: the names of the payloads `kept`, which must be handled, and further events.
        self.told: list[str] = []
        self.kept: list[str] = []
        self._web: Process | None = None
        self._workers: list[Process] = []
        self._state = project.folder / "var"
        self._state.mkdir(mode=0o700)
        project.write("mysite/settings.py", SETTINGS + (POSTGRESQL if "PGPORT" in project.env else SQLITE))
        for name, text in (("__init__", PACKAGE), ("urls", URLS), ("handlers", HANDLERS)):
            project.write(f"mysite/{name}.py", text)
        wsgi = project.folder / "mysite" / "wsgi.py"
        wsgi.write_text(wsgi.read_text().replace("from django.core.wsgi", "from notifications.wsgi"))

    def install(self, wheel: Path) -> None:
        """Take a version; what runs goes on."""
        self.project.run(f'pip install "{wheel}"')
        assert f"Version: {wheel.name.split('-')[1]}\n" in self.project.run("pip show proppy")

    def restart(self) -> None:
        """Stop what runs; start the web server and both workers."""
        self._stop_workers()
        if self._web:
            assert self._web.terminate() == 0, self._web.log
        self._web = self.project.start(f"gunicorn --threads 4 --bind 127.0.0.1:{self.project.port} mysite.wsgi")
        self._web.wait_until_listening(self.project.port)
        self._workers = [self.project.start(f"python manage.py {name}") for name in ("follow_journal", "process_raw")]

    def post(self, name: str, size: int = 41) -> None:
        """Post a body of that size which begins with the name; it must be accepted."""
        with closing(HTTPConnection("127.0.0.1", self.project.port, timeout=30)) as connection:
            connection.request("POST", "/in/order/", name.encode().ljust(size))
            assert connection.getresponse().status == 202
        self.told.append(name)
        self.kept.append(name)

    def bring_into_flight(self, version: str) -> None:
        """Leave what fails, is dead, was in a killed worker's hand, waits in table and spool; and an unread event."""
        (self._state / "broken").touch()
        for name in ("fails 1", "fails 2", "dies 1"):
            self.post(f"{name} {version}")
        wait_for(lambda: self._waiting() == {"retrying": 2, "dead": 1}, timeout=60, message="tried, and failed")
        self.post(f"hangs {version}")
        wait_for(lambda: self._waiting().get("processing"), timeout=60, message="it is in hand")
        self._workers.pop().kill()
        self._stop_workers()
        self.post(f"waits {version}")
        self.post(f"large {version}", size=300_000)
        with locked(self.project):
            self.post(f"spooled {version}")
        event = f"emitted {version}"
        self.project.run(f"python manage.py shell -c \"from notifications import emit; emit('TOLD', '{event}')\"")
        self.told.append(event)
        waiting = self._waiting()
        # PostgreSQL may take what was spooled once the lock is gone: it is imported as the same payload.
        assert waiting.pop("received") in (2, 3)
        # What fails was claimed along with what hangs, if it was due.
        assert waiting.pop("processing") + waiting.pop("retrying", 0) == 3
        assert waiting == {"dead": 1, "spool": 1}

    def land(self) -> None:
        """Mend what was broken. Returns when all that was ever accepted is handled and told, once each."""
        (self._state / "broken").unlink()
        self.project.run("python manage.py replay_raw --source order --state dead")
        wait_for(lambda: self._waiting() == {}, timeout=120, message="all is handled")
        file = self._state / "told"
        wait_for(lambda: sorted(file.read_text().splitlines()) == sorted(self.told), message="all is told once")
        assert sorted(self.project.run(f"python manage.py shell -v 0 -c '{GROUPS}'").splitlines()) == sorted(self.kept)
        found = self._status()["database"]
        # A killed process makes a record without a number: all that it told is there.
        assert (found["lost_events"], found["failed_deliveries"], found["refused"]) == (0, 0, {})

    def _status(self) -> Any:
        return json.loads(self.project.run("python manage.py proppy_status --json"))

    def _waiting(self) -> dict[str, int]:
        """How many payloads are not done, by state."""
        found = self._status()
        counts = {**found["database"]["payloads"], "spool": found["spool"]["waiting"]}
        return {state: count for state, count in counts.items() if count}

    def _stop_workers(self) -> None:
        for worker in self._workers:
            assert worker.terminate(60) == 0, worker.log
        self._workers = []


@contextmanager
def locked(project: Stock) -> Iterator[None]:
    """Nobody can write payloads to the database meanwhile."""
    with ExitStack() as stack:
        if port := project.env.get("PGPORT"):
            address = f"host=127.0.0.1 port={port} user=mysite dbname=mysite"
            postgresql = stack.enter_context(psycopg.connect(address))
            postgresql.execute("LOCK TABLE notifications_rawpayload IN ACCESS EXCLUSIVE MODE")
        else:
            path = project.folder / "db.sqlite3"
            sqlite = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            sqlite.execute("BEGIN IMMEDIATE")
        yield
