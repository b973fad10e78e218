"""How many rows each of several querysets has, none counted further than needed: one query for all."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet

from notifications.database import bounded_wait


def bounded_counts(querysets: Sequence[QuerySet[Any, Any]], most: int) -> list[int]:
    """In their order; `most` for those with more. Raises database errors."""
    db = bounded_wait.connection()
    counts: list[str] = []
    values: list[Any] = []
    for number, rows in enumerate(querysets):
        try:
            sql, parameters = rows.order_by().values("pk")[:most].query.get_compiler(db.alias).as_sql()
        except EmptyResultSet:  # as of .none()
            counts.append("0")
            continue
        counts.append(f"(SELECT COUNT(*) FROM ({sql}) counted_{number})")
        values += parameters
    with db.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", values)
        return [int(count) for count in cursor.fetchone()]
