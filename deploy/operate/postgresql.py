"""Sets PostgreSQL's tables aside while a backup is restored, so that those of another release do not interfere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction

#: The schema with the tables from before the last restore, and its comment until that has finished.
BEFORE: Final = "before_restore"
UNFINISHED: Final = "unfinished"
TABLES: Final = (
    "SELECT c.relname, pg_table_size(c.oid) FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s)"
    " AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
)


def size() -> int:
    """Bytes of our tables, without their indexes."""
    return sum(_tables(_ours()).values())


@contextmanager
def set_aside() -> Iterator[None]:
    """The block finds none of our tables. If it fails they come back; if it is killed, at the next `put_back`.

    The role needs CREATE on the database, as its owner has. Raises what the database raises.
    """
    put_back()
    with transaction.atomic():
        _execute(f"DROP SCHEMA IF EXISTS {BEFORE} CASCADE")
        _execute(f"CREATE SCHEMA {BEFORE}")
        _execute(f"COMMENT ON SCHEMA {BEFORE} IS '{UNFINISHED}'")
        _move(_ours(), BEFORE)
    connection.close()
    try:
        yield
    except BaseException:
        put_back()
        raise
    _execute(f"COMMENT ON SCHEMA {BEFORE} IS NULL")


def put_back() -> None:
    """Bring back the tables that an interrupted restore set aside, if any."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", [BEFORE])
        if cursor.fetchone() != (UNFINISHED,):
            return
    ours = _ours()
    with transaction.atomic():
        for name in _tables(ours):
            _execute(f"DROP TABLE IF EXISTS {_quoted(ours, name)} CASCADE")
        _move(BEFORE, ours)
        _execute(f"DROP SCHEMA {BEFORE}")


def _ours() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def _tables(schema: str) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES, [schema])
        return dict(cursor.fetchall())


def _move(source: str, target: str) -> None:
    """Move all tables with their indexes, sequences and constraints."""
    for name in _tables(source):
        _execute(f"ALTER TABLE {_quoted(source, name)} SET SCHEMA {_quoted(target)}")


def _quoted(*names: str) -> str:
    return ".".join(map(connection.ops.quote_name, names))


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
