"""Samples for the series `waiting` and `oldest`. A chore of `process_raw`."""

from typing import Final

from notifications.database import bounded_wait
from notifications.database.fast_sql import fetch_all, table_of
from notifications.events.series_counts import counted
from notifications.models import RawPayload, State
from notifications.utils.times import utc_now

#: Seconds between two samples.
INTERVAL: Final = 60.0
#: Counting stops here, as that of the status does.
MOST: Final = 100_000
# As in count_waiting.py.
WAITING: Final = f"""
    SELECT name, count(*) FROM (
        SELECT source || '' AS name FROM {table_of(RawPayload)}
        WHERE state IN ('received', 'retrying', 'processing') AND next_attempt_at IS NOT NULL LIMIT {MOST}
    ) AS bounded GROUP BY name
"""


def take_sample() -> float:
    """Take a sample. Returns the seconds until the next one. Raises database errors."""
    by_source = dict(fetch_all(bounded_wait.connection(), WAITING, []))
    for source, count in by_source.items():
        counted.add("waiting", source, count)
    counted.add("waiting", "", sum(by_source.values()))
    now = utc_now()
    due = RawPayload.objects.filter(state=State.RECEIVED, next_attempt_at__lte=now).order_by("next_attempt_at")
    oldest = due.values_list("next_attempt_at", flat=True).first()
    counted.add("oldest", "", (now - oldest).total_seconds() if oldest else 0.0)
    return INTERVAL
