"""The minute that a release came in: hours and days lose it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Min
from django.utils import timezone
from django.utils.formats import date_format

from notifications.admin.status.figures import RELEASES
from notifications.admin.status.periods import CLOCK, DATE, Window
from notifications.models import Series
from notifications.models.series import Step

#: Minutes are kept a day longer (process_raw/chores/delete_old_series.py): of older ones the first may be gone.
KNOWN: Final = timedelta(days=30)


def first_minutes(window: Window, found: Sequence[tuple[str, int]]) -> dict[str, datetime]:
    """By release, of those that began in these slots. One query, of the minutes of these slots; none for a window of
    minutes. Without those of which nobody knows any more. Raises database errors.
    """
    known = [each for each in found if window.start(each[1]) >= window.now - KNOWN]
    if window.period.step is Step.MINUTE or not known:
        return {}
    first, *others = [_rows(label, window.start(slot), window.start(slot + 1)) for label, slot in known]
    return dict(first.union(*others, all=True))  # each reads its part of the index


def _rows(label: str, since: datetime, until: datetime) -> Any:
    rows = Series.objects.filter(name=RELEASES, step=Step.MINUTE, label=label, start__gte=since, start__lt=until)
    return rows.order_by().values_list("label").annotate(Min("start"))


def minute_name(minute: datetime) -> str:
    """ "29 Nov, 15:45", in the current time zone."""
    return date_format(timezone.localtime(minute), f"{DATE}, {CLOCK}")
