"""Rows of several tables by one statement. Each further query waits for PostgreSQL once more, and a query of the ORM
costs more than to read a few rows.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper


class Part(NamedTuple):
    """A SELECT: its columns, what comes after them, and the values of both."""

    columns: tuple[str, ...]
    rest: str
    values: tuple[Any, ...] = ()


def read_together(db: BaseDatabaseWrapper, parts: Mapping[str, Part]) -> dict[str, list[list[Any]]]:
    """The rows of each part by its name, as JSON has them: times and UUIDs are text. Raises database errors."""
    array, text = ("json_array", "") if db.vendor == "sqlite" else ("json_build_array", "::text")
    # In a subquery of its own each may have ORDER BY and LIMIT.
    selects = [
        f"SELECT * FROM (SELECT '{name}', {array}({', '.join(part.columns)}){text} {part.rest}) part_{name}"
        for name, part in parts.items()
    ]
    found: dict[str, list[list[Any]]] = {name: [] for name in parts}
    with db.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), [value for part in parts.values() for value in part.values])
        for name, row in cursor.fetchall():
            found[name].append(json.loads(row))
    return found
