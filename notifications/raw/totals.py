"""Counts what waits of each source that has a limit, for intake to read (limits.py). A chore of `process_raw`."""

import time
from collections.abc import Iterable
from typing import Any, Final

from django.utils import timezone

from notifications.conf import Source, conf
from notifications.models import SourceTotal
from notifications.raw import store
from notifications.sql import execute

#: Seconds between two counts at least, or so many times as long as the last one took.
INTERVAL: Final = 1.0
PATIENCE: Final = 20.0
#: …but soon enough for intake, which takes older ones for those of a dead worker (limits.STALE).
LONGEST_INTERVAL: Final = 10.0
#: Seconds until somebody looks again whether any source has a limit.
NOTHING_TO_DO: Final = 60.0
# The source as an expression, or SQLite takes the index on sources and walks through all that is done; the states as
# the condition of the partial index says them.
WAITING: Final = """
    SELECT source || '' AS name, count(*), sum(size) FROM notifications_rawpayload
    WHERE state IN ('received', 'retrying', 'processing') AND next_attempt_at IS NOT NULL GROUP BY name
"""
QUARANTINED: Final = """
    SELECT source || '' AS name, count(*) FROM notifications_rawpayload
    WHERE state IN ('dead', 'quarantined') AND state = 'quarantined' GROUP BY name
"""


def count_totals() -> float:
    """Count, and write the totals; gives the seconds until the next time. Raises what the database raises."""
    limited = [source for source in conf.sources.values() if _has_limit(source)]
    if not limited:
        return NOTHING_TO_DO
    started = time.monotonic()
    now, db = timezone.now(), store.connection()
    waiting = _by_name(execute(db, WAITING, []))
    quarantined = _by_name(execute(db, QUARANTINED, [])) if any(map(_quarantines, limited)) else {}
    totals = [
        SourceTotal(
            source=source.name,
            waiting=waiting.get(source.name, (0, 0))[0],
            waiting_bytes=waiting.get(source.name, (0, 0))[1],
            quarantined=quarantined.get(source.name, (0,))[0],
            counted_at=now,
        )
        for source in limited
    ]
    SourceTotal.objects.bulk_create(
        totals,
        update_conflicts=True,
        unique_fields=["source"],
        update_fields=["waiting", "waiting_bytes", "quarantined", "counted_at"],
    )
    return max(INTERVAL, min(PATIENCE * (time.monotonic() - started), LONGEST_INTERVAL))


def _has_limit(source: Source) -> bool:
    return bool(source.max_waiting or source.max_waiting_bytes) or _quarantines(source)


def _quarantines(source: Source) -> bool:
    return source.bad_signature == "quarantine"


def _by_name(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(map(int, numbers)) for name, *numbers in rows}
