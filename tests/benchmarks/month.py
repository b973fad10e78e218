"""Thirty days of minutes in the series: one day as a shop has it, thirty times."""

from typing import Final

from django.db import connection

from notifications.database.fast_sql import table_of
from notifications.models import Series
from tests.benchmarks.filling import NUMBERS
from tests.support.shop_series import fill_series

TABLE: Final = table_of(Series)
DAYS: Final = 30
REST: Final = "name, label, count, total, highest, buckets"


def fill_month(minutes: int) -> None:
    """The last `minutes` of each day: all are 1,440. It also has the hours and days that they are part of."""
    fill_series(minutes)
    is_sqlite = connection.vendor == "sqlite"
    earlier = "datetime(start, '-' || n || ' days')" if is_sqlite else "start - n * interval '1 day'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (step, start, {REST}) {NUMBERS.format(first=1, last=DAYS - 1)}"
            f" SELECT step, {earlier}, {REST} FROM {TABLE}, number WHERE step > 0 ON CONFLICT DO NOTHING"
        )
        if not is_sqlite:
            cursor.execute(f"ANALYZE {TABLE}")
