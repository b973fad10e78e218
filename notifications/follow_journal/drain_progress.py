"""Shows how far `follow_journal --drain` has got."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import Error

from notifications.follow_journal.build_workers import Maker
from notifications.follow_journal.follower import Follower
from notifications.models import Position
from notifications.positions.key import machine_id
from notifications.status.lag import lags
from notifications.utils.progress import ProgressBar
from notifications.utils.progress_beside import beside
from notifications.workers.loop import Stop, Worker


@contextmanager
def shown_events(
    out: OutputWrapper, names: Sequence[str], makers: Sequence[Maker]
) -> Iterator[tuple[list[Maker], Callable[[], None]]]:
    """Yields the makers, whose followers of these channels are counted now, and what shows that, for one thread."""
    followers: list[Follower[Any]] = []

    def counted(make: Maker) -> Maker:
        def made(stop: Stop) -> Worker:
            worker = make(stop)
            if isinstance(worker, Follower) and worker.name in names:
                followers.append(worker)
            return worker

        return made

    def show() -> None:
        progress.show(sum(each.settled for each in followers))

    with ProgressBar(out, _behind(names), unit=" events") as progress, beside(progress):
        yield [counted(make) for make in makers], show
        show()


def _behind(names: Sequence[str]) -> int | None:
    """How many events wait for these channels; None if a channel is new, or they are too many to count at once."""
    try:
        positions = list(Position.objects.filter(machine=machine_id(), channel__in=names))
    except Error:
        return None
    found = lags(positions).values()
    if {each.channel for each in positions} != set(names):
        return None
    known = [lag.events for lag in found if lag is not None and not lag.at_least]
    return sum(known) if len(known) == len(positions) else None
