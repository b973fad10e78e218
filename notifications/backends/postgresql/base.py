"""Django's own backend for PostgreSQL, that waits as database/postgresql_restart.py says. An ENGINE for DATABASES."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import Error
from django.db.backends.postgresql import base

from notifications.database.deadline import deadline
from notifications.database.postgresql_restart import LONGEST_STATEMENT, is_in_request, reconnection


class DatabaseWrapper(base.DatabaseWrapper):
    """In requests it connects again for a moment, and no statement, commit or health check hangs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(_execute)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of psycopg's. Raises psycopg.OperationalError."""
        return reconnection.connect(lambda: super(DatabaseWrapper, self).get_new_connection(conn_params), AWAY)

    def is_usable(self) -> bool:
        """Whether the connection answers, and in time."""
        try:
            with _limit(self):
                return bool(super().is_usable())
        except Error:  # it was lost before it could be asked
            return False

    def _commit(self) -> None:
        with _limit(self):
            super()._commit()  # type: ignore[misc]  # django-stubs leaves it out


AWAY = psycopg.OperationalError


@contextmanager
def _limit(db: base.DatabaseWrapper) -> Iterator[None]:
    if db.connection is None or not is_in_request():
        yield
        return
    with deadline(LONGEST_STATEMENT, db):
        yield


def _execute(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A wrapper of Django's (see "database instrumentation")."""
    with _limit(context["connection"]):
        return execute(sql, params, many, context)
