"""Failed attempts by the hour, drawn as bars: an SVG of the server, without script or style."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from notifications.models import FailureHour
from notifications.utils.times import utc_now

DAY: Final = 24
WEEK: Final = 7 * DAY
#: Units of the drawing.
HEIGHT: Final = 24.0
LOWEST: Final = 2.0

Counts = Mapping[datetime, int]


def counts_of(groups: Iterable[int], hours: int) -> dict[int, Counts]:
    """For each of these groups, by id, its failed attempts in each of the last hours that had any."""
    rows = FailureHour.objects.filter(failure_id__in=list(groups), hour__gt=_this_hour() - timedelta(hours=hours))
    found: dict[int, dict[datetime, int]] = defaultdict(dict)
    for pk, hour, failed in rows.values_list("failure_id", "hour", "failed"):
        found[pk][hour] = failed
    return dict(found)


def sparkline(counts: Counts, hours: int, *, captioned: bool = False) -> SafeString:
    """A bar for each of the last `hours`, the youngest at the right; its label, or its caption, says the figures."""
    now = _this_hour()
    by_age = {int((now - hour) / timedelta(hours=1)): failed for hour, failed in counts.items()}
    shown = {age: failed for age, failed in by_age.items() if 0 <= age < hours}
    most = max(shown.values(), default=0)
    bars = [_bar(hours - 1 - age, failed / most * HEIGHT) for age, failed in sorted(shown.items())]
    context = {"bars": bars, "hours": hours, "height": HEIGHT, "label": _label(shown, hours, now)}
    context["captioned"] = captioned
    return render_to_string("notifications/admin/sparkline.html", context)


def _bar(x: int, height: float) -> tuple[str, str, str]:
    """Left edge, upper edge and height of a bar."""
    height = max(LOWEST, height)
    return f"{x + 0.1:.1f}", f"{HEIGHT - height:.1f}", f"{height:.1f}"


def _label(shown: Mapping[int, int], hours: int, now: datetime) -> str:
    span = f"{hours // DAY} days" if hours > DAY else f"{hours} hours"
    if not shown:
        return f"No failed attempt in {span}"
    age = max(shown, key=lambda each: shown[each])
    when = timezone.localtime(now - timedelta(hours=age)).strftime("%Y-%m-%d %H:%M")
    return f"{sum(shown.values()):,} failed in {span}, most in the hour of {when}: {shown[age]:,}"


def _this_hour() -> datetime:
    return utc_now().replace(minute=0, second=0, microsecond=0)
