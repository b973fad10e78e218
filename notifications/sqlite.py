"""A SQLite for requests and workers: its entry of DATABASES, and a library without the WAL-reset race.

SQLite 3.7.0 to 3.51.2 can lose committed rows if several processes write and checkpoint one WAL database
(sqlite.org/wal.html#walresetbug), as web servers and workers do. The package `pysqlite3` is the same module with a
current library. No Django is imported here.
"""

import os
import sqlite3
import sys
from types import ModuleType
from typing import Any, Final

FIXED: Final = (3, 51, 3)
#: Older releases that have the repair too: each is the first of its own series.
BACKPORTS: Final = ((3, 44, 6), (3, 50, 7))
#: What Django 6 asks for: SQLite's constant, its value, and the limit unless it was compiled with another.
LIMITS: Final = (("VARIABLE_NUMBER", 9, 32766), ("COLUMN", 2, 2000))
#: The position of `factory` among the arguments of connect().
FACTORY: Final = 5


def database(
    name: str | os.PathLike[str], *, synchronous: str = "FULL", timeout: float = 5, **others: Any
) -> dict[str, Any]:
    """An entry of DATABASES for a SQLite file that requests and workers write at the same time.

    `synchronous`: FULL survives a power cut, NORMAL only the end of a process. `timeout`: seconds to wait for another
    writer. `others` are further keys of the entry; its OPTIONS are added to ours, its `init_command` comes after ours.
    """
    more = dict(others.pop("OPTIONS", {}))
    options = {
        # A transaction that reads first, then writes, fails at once if another process wrote in between. No timeout
        # helps. With IMMEDIATE it takes the one write lock as it begins, and waits for that.
        "transaction_mode": "IMMEDIATE",
        "timeout": timeout,
        # process_raw makes checkpoints. A commit does, at this size, only if process_raw does not run.
        "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA wal_autocheckpoint=30000;"
        + more.pop("init_command", ""),
    }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "CONN_MAX_AGE": None,  # to open a connection takes longer than a request
        **others,
        "OPTIONS": options | more,
    }


def use_fixed_sqlite() -> None:
    """Make `import sqlite3` import pysqlite3, if it is installed and Python's own library has the race.

    Call it in settings.py or in the project's `__init__.py`: before Django opens a database.
    """
    if not has_wal_reset_race(sqlite3):
        return
    try:
        import pysqlite3
        import pysqlite3.dbapi2
    except ImportError:  # the extra is not installed, or has no wheel for this platform; checks/settings.py warns
        return
    if has_wal_reset_race(pysqlite3):
        return
    _add_what_is_missing(pysqlite3)
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2


def has_wal_reset_race(driver: ModuleType) -> bool:
    """Whether the library of `driver`, a module like sqlite3, can lose commits."""
    version: tuple[int, int, int] = driver.sqlite_version_info
    return version < FIXED and not any(first <= version < (first[0], first[1] + 1) for first in BACKPORTS)


def _add_what_is_missing(driver: Any) -> None:
    """What Python's own has learned since: getlimit() in 3.11, which Django 6 calls, and `autocommit` in 3.12."""
    plain, connect = driver.dbapi2.Connection, driver.dbapi2.connect
    if hasattr(plain, "getlimit"):
        return

    class Connection(plain):  # type: ignore[misc, valid-type]  # untyped
        def getlimit(self, category: int, /) -> int:
            name, limit = {value: (name, limit) for name, value, limit in LIMITS}[category]
            found = self.execute("SELECT compile_options FROM pragma_compile_options").fetchall()
            options = dict(option.partition("=")[::2] for (option,) in found)
            return int(options.get(f"MAX_{name}", limit))

    def connect_as_pythons_own(*arguments: Any, **options: Any) -> Any:
        if options.get("autocommit") is True:  # shelve's since 3.13
            del options["autocommit"]
            options["isolation_level"] = None
        if len(arguments) <= FACTORY:
            options.setdefault("factory", Connection)
        return connect(*arguments, **options)

    for module in (driver, driver.dbapi2):
        module.Connection, module.connect = Connection, connect_as_pythons_own
        for name, value, _ in LIMITS:
            setattr(module, f"SQLITE_LIMIT_{name}", value)
