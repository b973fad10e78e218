"""The order of a list, as an index has it, and keys: places in it that an address can name."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connections
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from notifications.sql import time_value

KEY: Final = re.compile(r"(?:([0-9]{1,17})-)?([0-9]{1,19})")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_ID: Final = 2**63 - 1

#: Time of the order's column, where it has one, and primary key.
Key = tuple[datetime | None, int]


@dataclass(frozen=True, slots=True)
class Order:
    """By the time in `column`, if there is one, then by primary key; both descend or both ascend."""

    column: str = ""
    ascending: bool = False

    def fields(self, *, reverse: bool = False) -> list[str]:
        """As order_by() takes them."""
        sign = "" if self.ascending != reverse else "-"
        return [f"{sign}{name}" for name in (self.column, "pk") if name]

    def key(self, row: Any) -> Key:
        """Where a row is."""
        return (getattr(row, self.column) if self.column else None), row.pk

    def text(self, key: Key) -> str:
        """A key as an address has it."""
        time, pk = key
        return str(pk) if time is None else f"{max((time - EPOCH) // timedelta(microseconds=1), 0)}-{pk}"

    def parse(self, text: str) -> Key | None:
        """The inverse of `text`; None for anything else, which anybody may have written."""
        match = KEY.fullmatch(text)
        if match is None or int(match[2]) > LARGEST_ID or bool(match[1]) != bool(self.column):
            return None
        return (EPOCH + timedelta(microseconds=int(match[1])) if match[1] else None), int(match[2])

    def between(self, rows: QuerySet[Any], lower: "Bound | None", upper: "Bound | None") -> QuerySet[Any]:
        """The rows between two bounds."""
        for bound, operator in ((lower, ">"), (upper, "<")):
            rows = rows.filter(self._compared(rows, bound, operator)) if bound else rows
        return rows

    def _compared(self, rows: QuerySet[Any], bound: "Bound", operator: str) -> RawSQL:
        table, (time, pk) = rows.model._meta.db_table, bound.key
        names = f"{table}.{self.column}, {table}.id" if self.column else f"{table}.id"
        values = [time_value(connections[rows.db], time), pk] if self.column else [pk]
        # As one comparison of both: the database begins at the key, also where many rows have one time.
        sql = f"({names}) {operator}{'=' * bound.inclusive} ({', '.join(['%s'] * len(values))})"
        return RawSQL(sql, values, output_field=BooleanField())  # noqa: S611  names of ours


#: Newest first.
NEWEST: Final = Order()


class Bound(NamedTuple):
    """Where a part of the order begins or ends: at a key, with it or without."""

    key: Key
    inclusive: bool
