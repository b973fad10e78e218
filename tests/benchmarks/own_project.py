"""A stock project of one's own, as `startproject` makes it, with our page's lines for the engine, and an empty view."""

import sys
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tests.benchmarks.lab import Lab
from tests.support.stock_project import StockProject

SETTINGS: Final = """
from notifications import sqlite

DEBUG = False
ALLOWED_HOSTS = ["*"]
NOTIFICATIONS_RATE_LIMITS = False
NOTIFICATIONS_SOURCES |= {{f"s{{number}}": {{"http": True}} for number in range({sources})}}
DATABASES = {{"default": {database}}}
"""
SQLITE: Final = 'sqlite.database(BASE_DIR / "db.sqlite3", synchronous="{}")'
URLS: Final = """
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def empty(request):
    return HttpResponse(b"ok")


urlpatterns.insert(0, path("empty/", empty))
"""
#: The file wsgi.py as our page has it. The project's own wsgi.py stays as Django made it.
WSGI: Final = """
from notifications.wsgi import get_wsgi_application

application = get_wsgi_application()
"""
#: An empty WSGI application.
BARE: Final = """
def application(environ, start_response):
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
FILES: Final = {"urls.py": URLS, "our_wsgi.py": WSGI, "bare.py": BARE}


def own_project(
    lab: Lab, database: str, more: Mapping[str, str] | None = None, *, python: str = sys.executable
) -> StockProject:
    """A migrated one; `database` is NORMAL or FULL, of SQLite, or the URL of a PostgreSQL. `more`: text by file."""
    entry = repr(postgresql(database)) if "://" in database else SQLITE.format(database)
    settings = SETTINGS.format(sources=lab.conditions.sources, database=entry)
    project = StockProject(lab.new_folder() / "stock", settings, python=python)
    project.env["PYTHONPATH"] += f":{project.folder}"
    for name, text in [*FILES.items(), *(more or {}).items()]:
        project.add(f"shop/{name}", text)
    project.manage("migrate", "--verbosity", "0")
    lab.fill(project, lab.rows)
    project.env |= lab.slow_disk()
    return project


def postgresql(url: str) -> dict[str, object]:
    """Its entry of DATABASES, as our page has it."""
    address = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.path.strip("/"),
        "HOST": address.hostname,
        "PORT": address.port,
        "USER": address.username,
        "CONN_MAX_AGE": None,
        "OPTIONS": {"connect_timeout": 2},
    }
