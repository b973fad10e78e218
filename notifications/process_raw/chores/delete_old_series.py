"""Deletes old rows of series. A chore of `process_raw`."""

from datetime import datetime, timedelta
from typing import Final

from notifications.database.transactions import atomic
from notifications.models import Series
from notifications.models.series import Step
from notifications.utils.times import utc_now

#: How long rows are kept. What was counted since ever stays.
KEPT: Final = {Step.MINUTE: timedelta(days=31), Step.HOUR: timedelta(days=396), Step.DAY: timedelta(days=5 * 366)}
#: Rows of one delete, which holds SQLite's lock.
MOST: Final = 500
#: Seconds until the next look, and until the next delete if there are more rows.
INTERVAL: Final = 300.0
SOON: Final = 0.5


def delete_some() -> float:
    """Delete some rows. Returns the seconds until the next call. Raises database errors."""
    now = utc_now()
    deleted = [_delete(step, now - kept) for step, kept in KEPT.items()]
    return SOON if MOST in deleted else INTERVAL


def _delete(step: Step, before: datetime) -> int:
    """Returns how many rows."""
    old = Series.objects.filter(step=step, start__lt=before).order_by("start").values_list("pk", flat=True)[:MOST]
    if not (keys := sorted(old)):  # a transaction would lock SQLite all the same
        return 0
    with atomic():
        locked = Series.objects.filter(pk__in=keys).select_for_update().order_by("pk")  # as other machines lock them
        deleted, _ = Series.objects.filter(pk__in=[row.pk for row in locked.only("pk")]).delete()
    return deleted
