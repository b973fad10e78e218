"""Reports each loss once to the alert channel, whichever follower found it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from django.utils import timezone

from notifications.database.transactions import atomic
from notifications.events.emit import emit
from notifications.models import Loss
from notifications.utils.clean_text import one_line
from notifications.utils.times import utc_now

#: Rows at a time.
MOST: Final = 100


def report_new_losses(alert: str) -> None:
    """Reports new losses. Two machines never report the same one. After a kill it may be reported again."""
    unreported = Loss.objects.filter(told_at=None).order_by("pk")
    if not unreported.exists():
        return
    with atomic():
        for group in _groups([loss for loss in unreported[:MOST] if _claim(loss)]):
            emit(alert, _text(group), kind="loss", alert=True, on_commit=False)


def _claim(loss: Loss) -> bool:
    return Loss.objects.filter(pk=loss.pk, told_at=None).update(told_at=utc_now()) == 1


def _groups(losses: Iterable[Loss]) -> list[list[Loss]]:
    """Losses of several channels in one gap are one message."""
    groups: dict[tuple[object, ...], list[Loss]] = {}
    for loss in losses:
        key = (loss.origin, loss.reason) if loss.channel else (loss.pk,)
        groups.setdefault(key, []).append(loss)
    return list(groups.values())


def _text(losses: Sequence[Loss]) -> str:
    """For example "14:02:10 to 14:02:40, web-1: proppy-web@1.service 4711, 312 events lost: journald's rate limit"."""
    origin, reason = one_line(losses[0].origin), one_line(losses[0].reason)
    return f"{_period(losses)}, {origin}, {_count_text(losses)}: {reason}"


def _count_text(losses: Sequence[Loss]) -> str:
    channels = sorted({loss.channel for loss in losses if loss.channel})
    counts = [loss.count for loss in losses if loss.count is not None]
    behind = f" for {', '.join(channels)}" if channels else ""
    if len(counts) < len(losses):
        return f"events may be lost{behind}"
    count = max(counts)
    return f"{'at most ' if channels else ''}{count} event{'s' * (count != 1)} lost{behind}"


def _period(losses: Sequence[Loss]) -> str:
    since = min((loss.since for loss in losses if loss.since), default=None)
    until = max(loss.until for loss in losses)
    today = timezone.localdate(utc_now())
    same_day = all(timezone.localdate(moment) == today for moment in (since or until, until))
    shown = [_local_time(moment, with_date=not same_day) for moment in (since, until) if moment]
    return " to ".join(dict.fromkeys(shown))


def _local_time(moment: datetime, *, with_date: bool) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")
