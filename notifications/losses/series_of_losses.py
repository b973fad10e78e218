"""The series `lost` and `dropped`, of the minutes in which events were lost."""

from collections.abc import Collection

from notifications.events import series
from notifications.models import Loss
from notifications.utils.sums import Sum


def write_series(losses: Collection[Loss], dropped: Collection[Loss]) -> None:
    """Write how many events were lost; of some losses nobody knows. `dropped`: those that `emit()` dropped."""
    minutes: dict[int, dict[str, int]] = {}
    for name, found in (("lost", losses), ("dropped", dropped)):
        for loss in found:
            if loss.count:
                counts = minutes.setdefault(int(loss.until.timestamp() // 60 * 60), {})
                counts[name] = counts.get(name, 0) + loss.count
    for minute, counts in minutes.items():
        series.write(minute, {name: {"": Sum(count)} for name, count in counts.items()})
