"""The tables of a PostgreSQL while a backup is restored: set aside, so that those of another release are in no way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction

#: The schema of the tables that were there before the last restore.
BEFORE: Final = "before_restore"
TABLES: Final = (
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'p')"
    " AND NOT c.relispartition AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
)


def size() -> int:
    """Bytes of the whole database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


@contextmanager
def set_aside() -> Iterator[None]:
    """The block finds no table of ours. It must leave none where it fails: they come back then.

    Tables of a restore that came to no end are those from before it, and stay so. Raises what the database raises.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        ours = str(cursor.fetchone()[0])
    if _tables(ours):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {BEFORE} CASCADE")
            cursor.execute(f"CREATE SCHEMA {BEFORE}")
            _move(ours, BEFORE)
    connection.close()
    try:
        yield
    except BaseException:
        with transaction.atomic():
            _move(BEFORE, ours)
        raise


def _tables(schema: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES, [schema])
        return [name for (name,) in cursor.fetchall()]


def _move(source: str, target: str) -> None:
    """With their indexes, sequences and constraints."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for name in _tables(source):
            cursor.execute(f"ALTER TABLE {quote(source)}.{quote(name)} SET SCHEMA {quote(target)}")
