"""What the page reads of the series: one query for each of its parts, however many periods it is about."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from notifications.admin.status.figures import ALL, RELEASES, Figures, Row
from notifications.admin.status.gauges import WHY
from notifications.admin.status.periods import PERIODS, Window
from notifications.admin.status.time_texts import time_of, time_text
from notifications.database import bounded_wait
from notifications.database.fast_sql import table_of, time_value
from notifications.models import Series
from notifications.models.series import Step

#: Counted by route, and for all routes together.
BY_ROUTE: Final = ("requests", "errors")
OTHERS: Final = ("received", "handled", "failed", "waiting", "oldest", "lag", "delivered", "lost", "dropped")
ONLY_ALL: Final = f"AND (label = '{ALL}' OR name NOT IN {BY_ROUTE})"
#: Of the last hour's minutes: all labels together, and each channel.
OF_GAUGES: Final = f"AND (label = '{ALL}' OR name = 'lag')"
#: Minutes are kept a day longer (process_raw/chores/delete_old_series.py): of older ones the first may be gone.
KNOWN: Final = timedelta(days=30)

ROWS: Final = f"""name, label, {{time}}, count, highest, buckets FROM {table_of(Series)}
    WHERE {{alone}}step = %s AND start >= %s AND start < %s AND name IN"""
#: PostgreSQL would start two more processes for some thousand rows, which takes longer than to read them. A function
#: that is "parallel restricted" keeps it from that, and this one costs nothing.
ONE_PROCESS: Final = "pg_backend_pid() > 0 AND "
#: The first minute at or after the first slot of each release that began since a time; perhaps of a later slot.
FIRST_MINUTES: Final = f"""'', label, (
        SELECT {{time}} FROM {table_of(Series)}
        WHERE name = '{RELEASES}' AND step = {Step.MINUTE.value} AND start >= began.start AND label = began.label
        ORDER BY start LIMIT 1
    ), 0, 0, '' FROM (
        SELECT label, MIN(start) AS start FROM {table_of(Series)}
        WHERE name = '{RELEASES}' AND step = %s AND start >= %s AND start < %s AND label <> '{ALL}'
        GROUP BY label HAVING MIN(start) >= %s
    ) began"""


class Overview(NamedTuple):
    """What is not by route. `shown`: of the period that the page shows. `periods`: requests and errors of each period.

    `minutes`: gauges of the last hour.
    """

    shown: Figures
    periods: Sequence[Figures]
    minutes: Figures


class _Part(NamedTuple):
    """A SELECT without its first word, its values, and what takes its rows, perhaps in several pieces."""

    sql: str
    values: Sequence[Any]
    take: Callable[[Iterable[Row]], None]


def overview(shown: Window) -> Overview:
    """One query: of the period before, only releases are read. Raises database errors."""
    found = {key: Figures(Window(period, shown.now)) for key, period in PERIODS.items()}
    figures = found[shown.period.key] = Figures(shown)
    parts = [
        _rows(figures, (*BY_ROUTE, RELEASES, *OTHERS), shown.since, shown.until, ONLY_ALL),
        _rows(figures, (RELEASES,), shown.before, shown.since),
    ]
    for key, each in found.items():
        if each is not figures:
            names = (*BY_ROUTE, RELEASES, *WHY) if key == "hour" else BY_ROUTE
            parts.append(_rows(each, names, each.window.since, each.window.until, OF_GAUGES))
    _read(parts)
    return Overview(figures, list(found.values()), found["hour"])


def by_route(window: Window) -> Figures:
    """Requests, errors and releases of both periods. One query. Raises database errors."""
    figures = Figures(window)
    parts = [_rows(figures, (*BY_ROUTE, RELEASES), window.before, window.until)]
    if window.period.step is not Step.MINUTE:
        parts.append(_first_minutes(figures))
    _read(parts)
    began = {label: min(figures.points(RELEASES, label)) for label in figures.labels(RELEASES)}
    figures.first_minutes = {
        label: minute for label, minute in figures.first_minutes.items() if window.slot(minute) == began.get(label)
    }
    return figures


def _rows(figures: Figures, names: Sequence[str], since: datetime, until: datetime, condition: str = "") -> _Part:
    sql = f"{ROWS} ({', '.join(['%s'] * len(names))}) {condition}"
    return _Part(sql, [figures.window.period.step.value, *_times(since, until), *names], figures.take)


def _first_minutes(figures: Figures) -> _Part:
    """Of releases whose first slot is in these two periods."""
    window = figures.window
    known = max(window.before, window.now - KNOWN)
    values = [window.period.step.value, *_times(window.before, window.until, known)]

    def take(rows: Iterable[Row]) -> None:
        for _, _, label, start, *_ in rows:
            if start is not None:
                figures.first_minutes[label] = time_of(start)

    return _Part(FIRST_MINUTES, values, take)


def _times(*moments: datetime) -> list[Any]:
    return [time_value(bounded_wait.connection(), moment) for moment in moments]


def _read(parts: Sequence[_Part]) -> None:
    """All of it by one query, without an object of a model for each of some thousand rows."""
    parts_sql = (f"SELECT {number}, {part.sql}" for number, part in enumerate(parts))
    db = bounded_wait.connection()
    alone = ONE_PROCESS if db.vendor == "postgresql" else ""
    sql = " UNION ALL ".join(parts_sql).format(time=time_text("start"), alone=alone)
    with db.cursor() as cursor:
        cursor.execute(sql, [value for part in parts for value in part.values])
        for number, rows in groupby(cursor.fetchall(), itemgetter(0)):
            parts[number].take(rows)
