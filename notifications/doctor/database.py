"""Examines the engine's database: its settings by the checks, then what only an open connection knows."""

import os
from collections.abc import Iterator
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.fast_sql import execute, fetch_all
from notifications.doctor.messages import database_messages, findings_of
from notifications.doctor.postgresql import postgresql
from notifications.models import RawPayload
from notifications.store import disk_space
from notifications.utils.finding import Finding, failed, ok, unknown, warning
from notifications.utils.sizes import size

#: By the number that PRAGMA synchronous answers.
SYNCHRONOUS: Final = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
MIGRATE: Final = "Run manage.py migrate{option}, as the user of the services."
LOCKED: Final = "Look which process writes for so long; a handler's transaction must be short."


def database() -> Iterator[Finding]:
    """Whether it can be read and written, and how safe that is."""
    yield from findings_of(database_messages())
    db = bounded_wait.connection()
    if missing := missing_file(db):
        yield failed(f"there is no file {missing}", MIGRATE.format(option=_option()))
        return
    try:
        yield from bounded_wait.run_bounded(db, lambda: list(_opened(db)))
    except (Error, OSError, ImproperlyConfigured) as error:
        text = f"it cannot be used: {str(error).strip() or type(error).__name__}"
        yield failed(text, "Start it, or mend its entry in DATABASES; manage.py dbshell tries the same.")


def missing_file(db: BaseDatabaseWrapper) -> str:
    """The file of a SQLite that is not there, or "": connecting would make it."""
    if db.vendor != "sqlite" or disk_space.is_in_memory(db):
        return ""
    name = str(db.settings_dict["NAME"])
    return "" if os.path.exists(name) else name


def _opened(db: BaseDatabaseWrapper) -> Iterator[Finding]:
    if db.vendor == "postgresql":
        yield from postgresql(db)
    elif db.vendor == "sqlite":
        yield from _sqlite(db)


def _sqlite(db: BaseDatabaseWrapper) -> Iterator[Finding]:
    mode, synchronous = (str(_pragma(db, name)) for name in ("journal_mode", "synchronous"))
    level = SYNCHRONOUS.get(int(synchronous), synchronous)
    name = str(db.settings_dict["NAME"])
    used = "" if disk_space.is_in_memory(db) else f", {size(os.path.getsize(name))}"
    text = f"SQLite {_driver(db).sqlite_version}, {name}{used}: {mode}, synchronous {level}"
    if mode not in {"wal", "memory"}:
        yield warning(f"{text}: readers and writers lock each other out", "PRAGMA journal_mode=WAL, by init_command.")
    if level == "OFF":
        yield warning(f"{text}: a power cut may damage it", "Set SQLITE_SYNCHRONOUS=FULL, or PRAGMA synchronous.")
    yield _write_lock(db, text)


def _write_lock(db: BaseDatabaseWrapper, text: str) -> Finding:
    """Takes it, and gives it back: who may not write is told so here."""
    try:
        bounded_wait.until_unlocked(db, bounded_wait.LOCKED_MS, lambda: execute(db, "BEGIN IMMEDIATE", []))
        execute(db, "ROLLBACK", [])
    except Error as error:
        if "locked" in str(error):
            return warning(f"{text}; another process has held its write lock for {bounded_wait.LOCKED_MS} ms", LOCKED)
        advice = "Give this user the right to write the file, its folder, and the files -wal and -shm beside it."
        return failed(f"{text}; it cannot be written: {error}", advice)
    return ok(f"{text}; it can be written")


def _pragma(db: BaseDatabaseWrapper, name: str) -> Any:
    ((value,),) = fetch_all(db, f"PRAGMA {name}", [])
    return value


def _driver(db: BaseDatabaseWrapper) -> Any:
    return getattr(db, "Database")  # noqa: B009  each vendor's wrapper has it, the base class does not


def migrations() -> Iterator[Finding]:
    """Whether all were applied: the engine's in its database, the project's in `default`."""
    for alias in dict.fromkeys((conf.database, DEFAULT_DB_ALIAS)):
        db = connections[alias]
        if missing_file(db):
            yield unknown(f"{alias} has no file yet", MIGRATE.format(option=_option(alias)))
            continue
        try:
            yield _applied(alias, db)
        except (Error, OSError, ImproperlyConfigured) as error:
            yield unknown(f"{alias} cannot be asked: {str(error).strip()}", "Bring the database back first.")


def _applied(alias: str, db: BaseDatabaseWrapper) -> Finding:
    executor = MigrationExecutor(db)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    ours, both = RawPayload._meta.app_label, conf.database == DEFAULT_DB_ALIAS
    left = [each for each, _ in plan if both or (each.app_label == ours) == (alias == conf.database)]
    if left:
        names = ", ".join(f"{each.app_label}.{each.name}" for each in left[:3])
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        return failed(f"{alias} lacks {names}{more}", MIGRATE.format(option=_option(alias)))
    return ok(f"{alias} has all of them")


def _option(alias: str = "") -> str:
    alias = alias or conf.database
    return "" if alias == DEFAULT_DB_ALIAS else f" --database {alias}"
