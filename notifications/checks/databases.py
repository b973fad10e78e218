"""Checks of the database that the engine uses."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import load_backend

from notifications.conf import conf

#: By Django's names of them.
SUPPORTED: Final = frozenset({"sqlite", "postgresql"})
REFUSED: Final = {"mysql": "MySQL or MariaDB", "oracle": "Oracle", "mssql": "SQL Server"}


def engine_options() -> dict[str, Any]:
    """The entry of DATABASES; {} where there is none."""
    options: dict[str, Any] = settings.DATABASES.get(conf.database, {})
    return options


def vendor() -> str:
    """ "sqlite", "postgresql", or another name; "" if nobody can know. Opens nothing."""
    engine = engine_options().get("ENGINE", "")
    if not engine:
        return ""
    for name in REFUSED:  # their drivers may not be there
        if name in engine:
            return name
    try:
        found: str = load_backend(engine).DatabaseWrapper.vendor
    except (ImproperlyConfigured, ImportError, AttributeError):  # Django reports it
        return ""
    return found


def check_database(**_: Any) -> list[CheckMessage]:
    """NOTIFICATIONS_DATABASE, and what it names."""
    if conf.database not in settings.DATABASES:
        hint = f"Write one of {', '.join(map(repr, settings.DATABASES))}."
        text = f"NOTIFICATIONS_DATABASE is {conf.database!r}, which is not in DATABASES."
        return [Error(text, hint=hint, id="notifications.E050")]
    found = vendor()
    if found and found not in SUPPORTED:
        return [_refused(REFUSED.get(found, found))]
    return [*_driver(found), *_pool(found)]


def _refused(name: str) -> CheckMessage:
    hint = (
        "Add an SQLite file or a PostgreSQL to DATABASES, and name its alias in NOTIFICATIONS_DATABASE."
        ' docs/databases.md has the lines, and what keep() then means in a transaction of "default".'
    )
    text = f"The database {conf.database!r} is {name}. The engine works with SQLite, and PostgreSQL by psycopg 3."
    return Error(text, hint=hint, id="notifications.E051")


def _driver(found: str) -> Iterator[CheckMessage]:
    if found != "postgresql":
        return
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    if not is_psycopg3:
        hint = 'pip install "psycopg[binary]": Django takes it instead of psycopg2 by itself.'
        text = f"The database {conf.database!r} is used through psycopg2. The engine needs psycopg 3."
        yield Error(text, hint=hint, id="notifications.E052")


def _pool(found: str) -> Iterator[CheckMessage]:
    pool = engine_options().get("OPTIONS", {}).get("pool")
    if found == "postgresql" and pool and not (isinstance(pool, dict) and "timeout" in pool):
        hint = f'Set DATABASES["{conf.database}"]["OPTIONS"]["pool"] = {{"timeout": 2}}, with your other options of it.'
        text = "Where no connection of the pool is free, or PostgreSQL is away, a request waits for 30 seconds."
        yield checks.Warning(text, hint=hint, id="notifications.W054")


CHECKS: Final = (check_database,)
