"""The order of a list, which is an index's, and keys: places in it that a URL can name."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connections
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from notifications.database.fast_sql import time_value
from notifications.utils.times import OLDEST

KEY: Final = re.compile(r"(?:([0-9]{1,17})-)?([0-9]{1,19})")
LARGEST_ID: Final = 2**63 - 1

#: Time of the order's column, if it has one, and primary key.
Key = tuple[datetime | None, int]


@dataclass(frozen=True, slots=True)
class Order:
    """By the time in `column`, if there is one, then by primary key; both descend or both ascend.

    `newest_by`: where there is none, the column with the times of what is newest first, for people.
    """

    column: str = ""
    ascending: bool = False
    newest_by: str = ""

    @property
    def time(self) -> str:
        """The column with the times of this order, or ""."""
        return self.column or self.newest_by

    def fields(self, *, reverse: bool = False) -> list[str]:
        """The fields for order_by()."""
        sign = "" if self.ascending != reverse else "-"
        return [f"{sign}{name}" for name in (self.column, "pk") if name]

    def key(self, row: Any) -> Key:
        """A row's place in the order."""
        return (getattr(row, self.column) if self.column else None), row.pk

    def text(self, key: Key) -> str:
        """A key as text for a URL."""
        time, pk = key
        return str(pk) if time is None else f"{max((time - OLDEST) // timedelta(microseconds=1), 0)}-{pk}"

    def parse(self, text: str) -> Key | None:
        """The inverse of `text`; None for anything else: the input is untrusted."""
        match = KEY.fullmatch(text)
        if match is None or int(match[2]) > LARGEST_ID or bool(match[1]) != bool(self.column):
            return None
        return (OLDEST + timedelta(microseconds=int(match[1])) if match[1] else None), int(match[2])

    def between(self, rows: QuerySet[Any], lower: "Bound | None", upper: "Bound | None") -> QuerySet[Any]:
        """The rows between two bounds."""
        for bound, operator in ((lower, ">"), (upper, "<")):
            rows = rows.filter(self._compared(rows, bound, operator)) if bound else rows
        return rows

    def _compared(self, rows: QuerySet[Any], bound: "Bound", operator: str) -> RawSQL:
        table, (time, pk) = rows.model._meta.db_table, bound.key
        names = f"{table}.{self.column}, {table}.id" if self.column else f"{table}.id"
        values = [time_value(connections[rows.db], time), pk] if self.column else [pk]
        # One comparison of both: the database starts at the key, even if many rows have the same time.
        sql = f"({names}) {operator}{'=' * bound.inclusive} ({', '.join(['%s'] * len(values))})"
        return RawSQL(sql, values, output_field=BooleanField())  # noqa: S611  names of ours


#: Newest first.
NEWEST: Final = Order()


class Bound(NamedTuple):
    """Where a part of the order begins or ends: at a key, inclusive or not."""

    key: Key
    inclusive: bool
