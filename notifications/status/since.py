"""Since when something is so, for people."""

from datetime import datetime

from django.utils import timezone

from notifications.utils.durations import duration
from notifications.utils.times import utc_now


def since(moment: datetime) -> str:
    """ "since 11:45 (5 min)", "since 29 Nov 11:45 (20 h)": local time, and for how long."""
    now, local = utc_now(), timezone.localtime(moment)
    day = "" if local.date() == timezone.localdate(now) else f"{local:%-d %b} "
    return f"since {day}{local:%H:%M} ({duration((now - moment).total_seconds())})"
