"""Counts the waiting payloads of each source with a limit, for intake/quota.py. A chore of `process_raw`."""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from notifications.conf import Source, conf
from notifications.database import bounded_wait
from notifications.database.fast_sql import execute, table_of
from notifications.models import RawPayload, SourceTotal
from notifications.utils.times import utc_now

#: The least seconds between two counts.
INTERVAL: Final = 1.0
#: A count that takes long is followed by a pause so many times as long…
PATIENCE: Final = 20.0
#: …but not longer than this: intake ignores totals older than quota.STALE.
LONGEST_INTERVAL: Final = 10.0
#: The same totals are written again once they are so old: a commit holds SQLite's lock while it waits for the disk.
REFRESH: Final = timedelta(seconds=10)
#: Seconds until the next check whether a source has a limit.
NOTHING_TO_DO: Final = 60.0
NUMBERS: Final = ("waiting", "waiting_bytes", "quarantined")
# The source as an expression: else SQLite uses the index on sources and reads all done payloads. The states as in the
# condition of the partial index.
WAITING: Final = f"""
    SELECT source || '' AS name, count(*), sum(size) FROM {table_of(RawPayload)}
    WHERE state IN ('received', 'retrying', 'processing') AND next_attempt_at IS NOT NULL GROUP BY name
"""
QUARANTINED: Final = f"""
    SELECT source || '' AS name, count(*) FROM {table_of(RawPayload)}
    WHERE state IN ('dead', 'quarantined') AND state = 'quarantined' GROUP BY name
"""


def count_totals() -> float:
    """Count, and write what has changed. Returns the seconds until the next count. Raises database errors."""
    limited = [source for source in conf.sources.values() if _has_limit(source)]
    if not limited:
        return NOTHING_TO_DO
    started = time.monotonic()
    now, db = utc_now(), bounded_wait.connection()
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
    if not _are_written(totals, now - REFRESH):
        SourceTotal.objects.bulk_create(
            totals, update_conflicts=True, unique_fields=["source"], update_fields=[*NUMBERS, "counted_at"]
        )
    return max(INTERVAL, min(PATIENCE * (time.monotonic() - started), LONGEST_INTERVAL))


def _are_written(totals: Iterable[SourceTotal], since: datetime) -> bool:
    """Whether a count since then has written the same."""
    recent = SourceTotal.objects.filter(counted_at__gte=since).values_list("source", *NUMBERS)
    return {(total.source, *(getattr(total, name) for name in NUMBERS)) for total in totals} <= set(recent)


def _has_limit(source: Source) -> bool:
    return bool(source.max_waiting or source.max_waiting_bytes) or _quarantines(source)


def _quarantines(source: Source) -> bool:
    return source.bad_signature == "quarantine"


def _by_name(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(map(int, numbers)) for name, *numbers in rows}
