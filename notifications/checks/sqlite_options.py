"""A check of SQLite's options: without them, requests and workers lock each other out."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from notifications.conf import conf

HINT: Final = (
    'Write DATABASES = {"default": notifications.sqlite.database(BASE_DIR / "db.sqlite3")}: it sets all of them'
    " (docs/your-project.md)."
)


def check_sqlite_options(**_: Any) -> list[CheckMessage]:
    """transaction_mode and WAL, as `notifications.sqlite.database()` sets them."""
    database = settings.DATABASES.get(conf.database, {})
    if not database.get("ENGINE", "").endswith("sqlite3"):
        return []
    missing = " and ".join(_missing(database.get("OPTIONS", {})))
    if not missing:
        return []
    text = f'SQLite without {missing}: requests fail with "database is locked" beside the workers.'
    return [checks.Warning(text, hint=HINT, id="notifications.W030")]


def _missing(options: dict[str, Any]) -> Iterator[str]:
    if str(options.get("transaction_mode", "")).upper() not in {"IMMEDIATE", "EXCLUSIVE"}:
        yield 'transaction_mode "IMMEDIATE"'
    if "journal_mode=wal" not in str(options.get("init_command", "")).lower().replace(" ", ""):
        yield '"PRAGMA journal_mode=WAL" in init_command'


CHECKS: Final = (check_sqlite_options,)
