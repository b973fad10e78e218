"""Copies the site's database into a folder, and back: SQLite by its library, PostgreSQL by its programs."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Final

import django
from django.conf import settings

from deploy.operate import postgresql
from deploy.operate.copied import Copied
from deploy.operate.swap import Place

SQLITE: Final = "database.sqlite3"
POSTGRESQL: Final = "database.dump"


class Failed(Exception):
    """What went wrong, and what to do."""


def _database() -> Mapping[str, Any]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proppy.settings")
    django.setup()
    config: Mapping[str, Any] = settings.DATABASES["default"]
    return config


def state_dir() -> Path:
    _database()
    return Path(settings.STATE_DIR)


def _is_sqlite(config: Mapping[str, Any]) -> bool:
    return str(config["ENGINE"]).endswith("sqlite3")


def dump(folder: Path) -> None:
    """Write a checked copy of the database as it is now. Raises Failed."""
    config = _database()
    if _is_sqlite(config):
        _copy_sqlite(Path(config["NAME"]), folder / SQLITE)
        return
    path = folder / POSTGRESQL
    kept = f"--exclude-schema={postgresql.BEFORE}"
    _run(["pg_dump", "--format=custom", "--no-owner", kept, f"--file={path}"], config)
    _run(["pg_restore", "--list", str(path)], config)


def copy_in(folder: Path) -> Path:
    """The file that `dump` writes, and `stage` or `load` reads."""
    return folder / (SQLITE if _is_sqlite(_database()) else POSTGRESQL)


def size() -> int:
    """Bytes that a copy may take."""
    config = _database()
    if _is_sqlite(config):
        file = Path(config["NAME"])
        return sum(path.stat().st_size for path in (file, file.with_name(f"{file.name}-wal")) if path.exists())
    return postgresql.size()


def places() -> list[Place]:
    """The files to exchange: SQLite's, and its WAL, which must not be applied to another file."""
    config = _database()
    if not _is_sqlite(config):
        return []
    file = Path(config["NAME"])

    def beside(end: str, suffix: str) -> Path:
        return file.with_name(f"{file.name}{end}{suffix}")

    return [
        Place(beside("", suffix), beside(".restored", suffix), beside(".before-restore", suffix))
        for suffix in ("-wal", "-shm", "")
    ]


def stage(folder: Path) -> None:
    """Put a copy beside the database if it is a file (see `places`). Raises Failed."""
    config = _database()
    copy = copy_in(folder)
    if not copy.is_file():
        raise Failed(f"{folder} has no {copy.name}: is it the backup of another kind of database?")
    if _is_sqlite(config):
        _copy_sqlite(copy, places()[-1].restored)


def load(folder: Path, copied: Copied) -> None:
    """Load a copy into the database if it is a server. Nothing may use it meanwhile. Raises Failed."""
    config = _database()
    if _is_sqlite(config):
        return
    with postgresql.set_aside(), copied.read(folder / POSTGRESQL) as dumped:
        options = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
        _run(["pg_restore", *options, f"--dbname={config['NAME']}"], config, given=dumped)


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy with the services' library: two versions of it must not open one file."""
    import sqlite3  # after proppy/__init__.py has replaced it with the fixed one

    if not source.is_file():
        raise Failed(f"There is no database {source}: manage.py migrate creates it.")
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(source, timeout=60)) as old, closing(sqlite3.connect(target)) as new:
            # In one step, which blocks no writer: several steps would start again after each commit.
            old.backup(new)
            found = [row[0] for row in new.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        raise Failed(f"{source} cannot be copied: {error}") from error
    if found != ["ok"]:
        raise Failed(f"The copy of {source} is damaged: {'; '.join(found[:3])}")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _run(command: Sequence[str], config: Mapping[str, Any], given: BinaryIO | None = None) -> None:
    """`given`: its standard input. Raises Failed."""
    if not shutil.which(command[0]):
        raise Failed(f"There is no {command[0]}: apt-get install postgresql-client, of the server's version or newer.")
    stdin = subprocess.DEVNULL if given is None else given
    done = subprocess.run(command, env={**os.environ, **_libpq(config)}, stdin=stdin, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{command[0]}: {done.stderr.strip()}")


def _libpq(config: Mapping[str, Any]) -> dict[str, str]:
    """The connection as environment variables: everybody can see arguments."""
    options = config.get("OPTIONS", {})
    found = {
        "PGHOST": config.get("HOST"),
        "PGPORT": config.get("PORT"),
        "PGUSER": config.get("USER"),
        "PGPASSWORD": config.get("PASSWORD"),
        "PGDATABASE": config.get("NAME"),
        "PGTARGETSESSIONATTRS": options.get("target_session_attrs"),
        "PGCONNECT_TIMEOUT": options.get("connect_timeout"),
        **{
            f"PG{name.upper()}": options.get(name)
            for name in ("sslmode", "sslrootcert", "sslcert", "sslkey", "service")
        },
    }
    return {name: str(value) for name, value in found.items() if value}
