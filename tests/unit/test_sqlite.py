"""The SQLite in place of Python's own: in a project of others, with the Django that is installed."""

from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from notifications.sqlite import database, has_wal_reset_race
from tests.support.small_project import SmallProject

CALL: Final = "\nfrom notifications.sqlite import use_fixed_sqlite\nuse_fixed_sqlite()\n"
#: Python's own library, as if it were of this version.
PRETEND: Final = "import sqlite3\nsqlite3.sqlite_version_info = sqlite3.dbapi2.sqlite_version_info = {version}\n"
#: Django's own questions: how many parameters, and under DEBUG how many columns, there may be.
ASK: Final = """
import django; django.setup()
from django.db import connection
from notifications.models import RawPayload
connection.force_debug_cursor = True
print(connection.Database.__name__, RawPayload.objects.in_bulk([1, 2]), connection.queries[-1]["sql"][-6:])
"""


def driver(version: tuple[int, int, int]) -> ModuleType:
    module = ModuleType("driver")
    module.__dict__["sqlite_version_info"] = version
    return module


@pytest.mark.parametrize(
    "version", [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 46, 1), (3, 50, 6), (3, 51, 0), (3, 51, 2)]
)
def test_has_the_race(version: tuple[int, int, int]) -> None:
    assert has_wal_reset_race(driver(version))


@pytest.mark.parametrize("version", [(3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 53, 4), (4, 0, 0)])
def test_is_repaired(version: tuple[int, int, int]) -> None:
    assert not has_wal_reset_race(driver(version))


@pytest.fixture
def wheel() -> None:
    pytest.importorskip("pysqlite3", reason="it has no wheel for this Python and platform")


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize("place", ["settings.py", pytest.param("package", marks=pytest.mark.slow)])
def test_django_works_with_it(tmp_path: Path, place: str) -> None:
    old = PRETEND.format(version=(3, 40, 1))
    project = SmallProject(tmp_path, old + CALL if place == "settings.py" else "")
    if place == "package":
        project.write("shop/__init__.py", old + CALL)
        project.write("settings.py", "import shop\n" + (tmp_path / "settings.py").read_text())
    project.manage("migrate", "--verbosity", "0")
    assert project.python("-c", ASK) == "pysqlite3.dbapi2 {} (1, 2)\n"
    assert "W003" not in project.manage("check")


@pytest.mark.usefixtures("wheel")
def test_nothing_is_replaced_where_pythons_own_is_repaired(tmp_path: Path) -> None:
    project = SmallProject(tmp_path, PRETEND.format(version=(3, 51, 3)) + CALL)
    code = "from django.conf import settings; settings.DEBUG; import sqlite3; print(sqlite3.__name__)"
    assert project.python("-c", code) == "sqlite3\n"


def test_without_the_wheel_it_is_pythons_own_and_a_warning(tmp_path: Path) -> None:
    hidden = PRETEND.format(version=(3, 40, 1)) + "import sys\nsys.modules['pysqlite3'] = None\n"
    said = SmallProject(tmp_path, hidden + CALL).manage("check")
    assert "notifications.W003" in said
    assert "extra `sqlite`" in said


def test_called_too_late_is_a_warning(tmp_path: Path) -> None:
    """The driver that Django has loaded is looked at, not the name in sys.modules."""
    late = PRETEND.format(version=(3, 40, 1)) + "import django.db.backends.sqlite3.base\n"
    assert "notifications.W003" in SmallProject(tmp_path, late + CALL).manage("check")


@pytest.mark.usefixtures("wheel")
def test_what_else_uses_sqlite_goes_on(tmp_path: Path) -> None:
    """From Python 3.13 on shelve does, with an argument that pysqlite3 does not have."""
    project = SmallProject(tmp_path, PRETEND.format(version=(3, 40, 1)) + CALL)
    code = "from django.conf import settings; settings.DEBUG; import shelve\nwith shelve.open('x') as f: f['a'] = 1"
    assert project.python("-c", code) == ""


# The entry of DATABASES


def test_what_it_sets() -> None:
    assert database("db.sqlite3", synchronous="NORMAL", timeout=3) == {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "db.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 3,
            "init_command": ("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=30000;"),
        },
    }


def test_what_a_project_adds_stays_and_wins() -> None:
    more = {"timeout": 20, "uri": True, "init_command": "PRAGMA cache_size=1;"}
    entry = database("db.sqlite3", ATOMIC_REQUESTS=True, OPTIONS=more)
    assert entry["ATOMIC_REQUESTS"] is True
    options = entry["OPTIONS"]
    assert (options["timeout"], options["uri"], options["transaction_mode"]) == (20, True, "IMMEDIATE")
    assert options["init_command"].startswith("PRAGMA journal_mode=WAL;")
    assert options["init_command"].endswith("PRAGMA cache_size=1;")
    assert more["init_command"] == "PRAGMA cache_size=1;"
