"""Host projects as a covering array of settings: in each all that a project does with the engine, and its own pages."""

import hashlib
import json
import re
import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import django
import pytest

from tests.hosts import rows
from tests.hosts.covering import Row
from tests.hosts.odd_posts import POSTS, expected_status
from tests.support.host_project import Answer, HostProject, Request, get
from tests.support.pairs import PAIRS, Pair
from tests.support.postgres import Postgres
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.release]

#: A payload that belongs to a transaction, and two events.
KEEP_AND_EMIT: Final = """
from django.db import transaction
from notifications import emit, keep

with transaction.atomic():
    keep("welcome", b"kept")
emit("SLACK", "hello")
emit("REPORT", "sign-up")
"""
DIGESTS: Final = """
import hashlib, json
from notifications.models import RawPayload

posted = RawPayload.objects.exclude(source="welcome")
digests = {str(each.receipt): hashlib.sha256(each.body).hexdigest() for each in posted}
print("DIGESTS" + json.dumps(digests))
"""


class Host:
    """The project of a row, with tables of its own and pages of its own."""

    def __init__(self, row: Row, folder: Path, postgres: str) -> None:
        self.row = row
        self.interface: Any = row["interface"]
        self.prefix = "/proppy" if row["urls"] == "prefix" else ""
        self.script_name = "/below" if row["path"] == "below" else ""
        self.label = "proppy_engine" if row["label"] == "taken" else "notifications"
        self.project = HostProject(
            folder, pair=_pair_of(row["pair"]), settings=postgres + rows.settings(rows.THEIRS, row)
        )
        for name, text in rows.files(row).items():
            self.project.write(name, text)
        self.project.write("config/urls.py", rows.urls(row))
        if {row["user"], row["label"]} & {"own", "taken"}:  # they have models
            self.project.manage("makemigrations", "--verbosity", "0")
        self.project.manage("migrate", "--verbosity", "0")

    def install(self) -> None:
        """Put the engine in."""
        engine = "shop.engine.Engine" if self.row["label"] == "taken" else "notifications"
        include = f'path("{self.prefix[1:]}{self.prefix and "/"}", include("notifications.urls")),'
        urls = rows.urls(self.row, include)
        self.project.install(settings=rows.settings(rows.OURS, self.row), urls=urls, engine=engine)
        if self.row["entry"] == "ours":
            for name in ("wsgi", "asgi"):
                self.project.replace(f"config/{name}.py", f"django.core.{name}", f"notifications.{name}")

    def ask(self, *requests: Request) -> list[Answer]:
        """In the row's way."""
        return self.project.ask(
            *(replace(each, script_name=self.script_name) for each in requests), interface=self.interface
        )

    def own_pages(self) -> list[Answer]:
        """What the project's own pages answer: one with a route, those of the catch-all, and its own /metrics."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        paths = ["/own/", "/anything/in/demo", *(["/metrics"] if self.prefix else [])]
        posts = [Request("/own/", b"a=1&b=%C3%A4", form), Request("/own/", b"{}")]
        return self.ask(*map(get, paths), *posts)

    def drain(self) -> list[tuple[str, int]]:
        """Have process_raw handle what is due; each source and length that a handler has printed."""
        said = self.project.manage("process_raw", "--drain")
        return [(source, int(length)) for source, length in re.findall(r"handled (\w+) (\d+)", said)]


def _pair_of(name: str) -> Pair | None:
    """None: this process has it."""
    if name == f"{sys.version_info[0]}.{sys.version_info[1]}-{django.VERSION[0]}.{django.VERSION[1]}":
        return None
    for tool in ("debootstrap", "systemd-nspawn"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}: sh tests/install-services")
    return next(pair for pair in PAIRS if f"{pair.python}-{pair.django}" == name)


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Row], Host]:
    """Makes the project of a row."""

    def made(row: Row) -> Host:
        lines = ""
        if "POSTGRES" in rows.settings(rows.THEIRS, row):
            postgres: Postgres = request.getfixturevalue("postgres")
            name = f"host_{uuid.uuid4().hex}"
            postgres.create_database(name)
            request.addfinalizer(lambda: postgres.drop_database(name))
            where = {"NAME": name, "USER": "postgres", "HOST": "127.0.0.1", "PORT": postgres.port}
            entry = {"ENGINE": "django.db.backends.postgresql", **where, "OPTIONS": {"connect_timeout": 2}}
            lines = f"POSTGRES = {entry!r}\n"
        return Host(row, tmp_path, lines)

    return made


def test_each_two_values_meet_in_a_few_rows() -> None:
    met = {pair for row in rows.ROWS for pair in combinations(sorted(row.items()), 2)}
    for one, two in combinations(sorted(rows.FACTORS), 2):
        assert {((one, a), (two, b)) for a in rows.FACTORS[one] for b in rows.FACTORS[two]} <= met
    assert len(rows.ROWS) <= 30


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: "-".join(row[name] for name in rows.FACTORS))
def test_in_a_project_with(row: Row, make: Callable[[Row], Host]) -> None:
    host = make(row)
    before = host.own_pages()
    host.install()
    _checks_and_migrates(host)
    _takes_odd_posts(host)
    _handles_them(host)
    assert host.own_pages() == before
    _shows_them(host)
    _replays_them(host)


def _checks_and_migrates(host: Host) -> None:
    said = host.project.manage("check")
    expected = {"router": {"W003", "W030"}, "alias": {"W003"}}.get(host.row["database"], set())
    if host.interface == "asgi" and host.row["database"] != "pool":
        expected = {*expected, "W002"}  # it cannot know that there is no WSGI
    assert set(re.findall(r"notifications\.([EW]\d+)", said)) <= expected, said
    assert "No changes detected" in host.project.manage("makemigrations", "--check", "--dry-run")
    host.project.manage("migrate", "--verbosity", "0")
    if host.row["database"] == "alias":
        assert "manage.py migrate --database engine" in host.project.manage("process_raw", "--drain", fails=True)
        host.project.manage("migrate", "--database", "engine", "--verbosity", "0")


def _takes_odd_posts(host: Host) -> None:
    answers = host.ask(*(post.request(host.prefix) for post in POSTS.values()))
    statuses = {name: answer.status for name, answer in zip(POSTS, answers, strict=True)}
    assert statuses == {name: expected_status(name, host.row) for name in POSTS}
    stored = {
        json.loads(answer.text)["id"]: hashlib.sha256(post.body).hexdigest()
        for post, answer in zip(POSTS.values(), answers, strict=True)
        if answer.status == 202
    }
    said = host.project.python(KEEP_AND_EMIT + DIGESTS)
    assert json.loads(said.partition("DIGESTS")[2].splitlines()[0]) == stored


def _handles_them(host: Host) -> None:
    handled = host.drain()
    taken = [len(post.body) for name, post in POSTS.items() if post.source.startswith("demo") and _is_taken(name, host)]
    assert sorted(length for source, length in handled if source == "demo") == sorted(taken)
    assert ("welcome", 4) in handled
    assert not [source for source, _ in handled if source == "fails"]
    wobbled = [source for source, _ in handled if source == "wobbles"]
    wait_for(lambda: wobbled or ("wobbles", 6) in host.drain(), timeout=60, message="its second attempt")
    said = host.project.manage("follow_journal", "--drain")
    assert "hello" in said


def _is_taken(name: str, host: Host) -> bool:
    return expected_status(name, host.row) == 202


def _shows_them(host: Host) -> None:
    ready, metrics = host.ask(get(f"{host.prefix}/readyz"), get(f"{host.prefix}/metrics"))
    assert ready.text == "database ok\nspool ok\n"
    assert 'proppy_payloads{state="dead"} 1' in metrics.text
    said = host.project.manage("proppy_status", "--json")
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert (found["database"]["payloads"]["dead"], found["spool"]["waiting"]) == (1, 0)
    admin = "/de/admin/" if host.row["language"] == "many" else "/admin/"
    seen = host.project.crawl(
        admin=admin, label=host.label, pages=20, interface=host.interface, script_name=host.script_name
    )
    assert len(seen) > 10


def _replays_them(host: Host) -> None:
    host.project.write("mended", "")
    host.project.manage("replay_raw")
    assert host.drain() == [("fails", 3)]
