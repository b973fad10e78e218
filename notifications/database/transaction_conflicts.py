"""Conflicts with other transactions: the database ends one, so that the other can go on. The same again may succeed."""

from typing import Final

#: PostgreSQL's SQLSTATEs for a serialization failure (REPEATABLE READ, SERIALIZABLE) and a deadlock; and SQLite's name
#: for a transaction that reads, then wants to write what another has changed meanwhile.
CONFLICTS: Final = frozenset({"40001", "40P01", "SQLITE_BUSY_SNAPSHOT"})


def is_conflict(error: BaseException) -> bool:
    """Whether a database ended a transaction for another one. Takes Django's exceptions and those of the drivers."""
    return any(
        getattr(each, name, None) in CONFLICTS
        for each in (error, error.__cause__)
        for name in ("sqlstate", "sqlite_errorname")
    )


def is_locked(error: BaseException) -> bool:
    """Whether another connection has the lock of SQLite that a statement needs. Takes Django's exceptions."""
    return str(getattr(error.__cause__, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def trouble(error: BaseException) -> str:
    """A database error in words: a conflict, or a database that is away."""
    what = "a conflict with another transaction" if is_conflict(error) else "the database is away"
    return f"{what}: {error}"
