"""What `follow_journal` has delivered, and how far a drain has got."""

from collections import Counter
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


class Followers:
    """The followers of some channels, once `makers` have made them."""

    def __init__(self, names: Sequence[str], makers: Sequence[Maker]) -> None:
        self._names, self._made = names, list[Follower[Any]]()
        self.makers = [self._noted(make) for make in makers]

    def settled(self) -> dict[str, int]:
        """By channel: events that were delivered, or became failed deliveries."""
        found = Counter[str]()
        for follower in self._made:
            found[follower.name] += follower.settled
        return found

    def _noted(self, make: Maker) -> Maker:
        def made(stop: Stop) -> Worker:
            worker = make(stop)
            if isinstance(worker, Follower) and worker.name in self._names:
                self._made.append(worker)
            return worker

        return made


@contextmanager
def shown_events(out: OutputWrapper, names: Sequence[str], followers: Followers) -> Iterator[Callable[[], None]]:
    """Yields what shows how far the followers of these channels have got, for one thread."""

    def show() -> None:
        progress.show(sum(followers.settled().values()))

    with ProgressBar(out, _behind(names), unit=" events") as progress, beside(progress):
        yield show
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
