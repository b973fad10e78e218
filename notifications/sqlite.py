"""Replaces Python's SQLite by one without the WAL-reset race.

SQLite 3.7.0 to 3.51.2 can lose committed rows if several processes write and checkpoint one WAL database
(sqlite.org/wal.html#walresetbug), as web servers and workers do. The package `pysqlite3` is the same module with a
current library. Call `use_fixed_sqlite()` before Django opens a database; no Django is imported here.
"""

import sqlite3
import sys
from typing import Final

FIXED: Final = (3, 51, 3)


def use_fixed_sqlite() -> None:
    """Make `import sqlite3` import pysqlite3, if it is installed and newer."""
    try:
        import pysqlite3
        import pysqlite3.dbapi2
    except ImportError:  # no wheel for this platform; checks/settings.py warns
        return
    if pysqlite3.sqlite_version_info > sqlite3.sqlite_version_info:
        sys.modules["sqlite3"] = pysqlite3
        sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2


def has_wal_reset_race() -> bool:
    """Whether the SQLite in use can lose commits."""
    version: tuple[int, int, int] = sys.modules["sqlite3"].sqlite_version_info
    return version < FIXED
