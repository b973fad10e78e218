"""Host projects as a covering array over settings and databases: in each all that a project does with the engine."""

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.hosts.crawl import crawl
from tests.hosts.pairs import Row, covering
from tests.support.host_project import URLS, HostProject
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.release]

READS: Final = """
def reads_body(get_response):
    def middleware(request):
        request.body
        return get_response(request)
    return middleware
"""
OF_OTHERS: Final = """
class Elsewhere:
    def db_for_read(self, model, **_):
        return "replica" if model._meta.app_label == "notifications" else None
"""
REPLICA: Final = (
    "DATABASES['replica'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'replica.sqlite3'}\n"
    "DATABASE_ROUTERS = ['shop.routers.Elsewhere']\n"
)
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "database": {
        "sqlite": "",
        "postgres": "DATABASES['default'] |= POSTGRES\n",
        "pool": "DATABASES['default'] |= POSTGRES | {'CONN_MAX_AGE': 0}\n"
        "DATABASES['default']['OPTIONS'] |= {'pool': {'timeout': 2, 'max_size': 8}}\n",
        "serializable": "import psycopg\nDATABASES['default'] |= POSTGRES\n"
        "DATABASES['default']['OPTIONS']['isolation_level'] = psycopg.IsolationLevel.SERIALIZABLE\n",
        "repeatable": "import psycopg\nDATABASES['default'] |= POSTGRES\n"
        "DATABASES['default']['OPTIONS']['isolation_level'] = psycopg.IsolationLevel.REPEATABLE_READ\n",
        "alias": "DATABASES['engine'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'engine.sqlite3'}\n"
        "NOTIFICATIONS_DATABASE = 'engine'\n",
        "router": REPLICA,
    },
    "zones": {"aware": "", "naive": "USE_TZ = False\nTIME_ZONE = 'America/New_York'\n"},
    "numbers": {
        "plain": "",
        "separated": "USE_THOUSAND_SEPARATOR = True\nDEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n",
    },
    "requests": {"plain": "", "atomic": "for each in DATABASES.values():\n    each['ATOMIC_REQUESTS'] = True\n"},
    "login": {"none": "", "required": "MIDDLEWARE += ['django.contrib.auth.middleware.LoginRequiredMiddleware']\n"},
    "reads": {"nobody": "", "middleware": "MIDDLEWARE.insert(0, 'shop.middleware.reads_body')\n"},
    "language": {
        "one": "",
        "many": "MIDDLEWARE.insert(2, 'django.middleware.locale.LocaleMiddleware')\nLANGUAGE_CODE = 'de'\n",
    },
    "urls": {"root": "", "prefix": "MIDDLEWARE.insert(0, 'notifications.health.StatusPages')\n"},
}
ROWS: Final = covering({name: list(values) for name, values in SETTINGS.items()})


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Row], HostProject]:
    """Makes the project of a row."""

    def made(row: Row) -> HostProject:
        lines = "".join(SETTINGS[name][value] for name, value in row.items())
        if "POSTGRES" in lines:
            postgres: Postgres = request.getfixturevalue("postgres")
            name = f"host_{uuid.uuid4().hex}"
            postgres.create_database(name)
            request.addfinalizer(lambda: postgres.drop_database(name))
            where = {"NAME": name, "USER": "postgres", "HOST": "127.0.0.1", "PORT": postgres.port}
            entry = {"ENGINE": "django.db.backends.postgresql", **where, "OPTIONS": {"connect_timeout": 2}}
            lines = f"POSTGRES = {entry!r}\n{lines}"
        prefix = "proppy/" if row["urls"] == "prefix" else ""
        urls = URLS.replace('path("", include', f'path("{prefix}", include')
        host = HostProject(tmp_path, settings=lines, urls=urls)
        host.write("shop/middleware.py", READS)
        host.write("shop/routers.py", OF_OTHERS)
        return host

    return made


def test_it_is_small() -> None:
    assert len(ROWS) <= 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.values()))
def test_in_a_project_with(row: Row, make: Callable[[Row], HostProject]) -> None:
    host = make(row)
    prefix = "/proppy" if row["urls"] == "prefix" else ""
    said = host.manage("check")
    assert not re.search(r"notifications\.(E\d+|W05\d)", said), said
    assert "No changes detected" in host.manage("makemigrations", "--check", "--dry-run")
    host.manage("migrate", "--verbosity", "0")
    if row["database"] == "alias":
        assert "manage.py migrate --database engine" in host.manage("process_raw", "--drain", fails=True)
        host.manage("migrate", "--database", "engine", "--verbosity", "0")
    posts = host.post(
        (f"{prefix}/in/demo/", "{}"),
        (f"{prefix}/in/demo/", "a=1&b=%FF", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}),
        (f"{prefix}/in/fails/", "x", {"HTTP_IDEMPOTENCY_KEY": "7", "HTTP_ACCEPT_LANGUAGE": "de"}),
        (f"{prefix}/in/fails/", "x", {"HTTP_IDEMPOTENCY_KEY": "7"}),
        (f"{prefix}/in/nobody/", "x"),
        (f"{prefix}/in/demo/", "short", {"CONTENT_LENGTH": "6"}),
    )
    assert [answer.status for answer in posts] == [202, 202, 202, 202, 404, 400]
    assert posts[2].text == posts[3].text
    host.python("from notifications import emit; emit('SLACK', 'hello'); emit('REPORT', 'sign-up')")
    said = host.manage("process_raw", "--drain") + host.manage("follow_journal", "--drain")
    assert re.findall(r"handled demo (\d+)", said) == ["2", "9"]
    assert "hello" in said
    assert host.get(f"{prefix}/readyz").text == "database ok\nspool ok\n"
    assert 'proppy_payloads{state="dead"} 1' in host.get(f"{prefix}/metrics").text
    found = json.loads(host.manage("proppy_status", "--json").splitlines()[0])
    assert (found["database"]["payloads"]["dead"], found["spool"]["waiting"]) == (1, 0)
    assert crawl(host, pages=15) > 10
