"""Some channels, without one more that hangs and with it, in turn, over the same entries."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from notifications.follow_journal.build_workers import worker_makers
from notifications.models import Position
from notifications.workers import loop
from tests.benchmarks.channels import Hanging, OneByOne
from tests.benchmarks.lab import LONGEST
from tests.benchmarks.rounds import interleaved
from tests.support.wait import wait_for


def run(*, names: Sequence[str], hangs: str, events: int, rounds: int) -> dict[str, list[float]]:
    """Seconds until each of `names` has delivered so many events, by round."""
    measures = (lambda: _deliver(names, [], events), lambda: _deliver(names, [hangs], events))
    without, beside = interleaved(rounds, *measures)
    return {"without": without, "beside": beside}


def _deliver(names: Sequence[str], besides: Sequence[str], events: int) -> float:
    Position.objects.all().delete()
    OneByOne.delivered.clear()
    with _hanging_until_delivered(names, events):
        started = time.perf_counter()
        loop.run(list(worker_makers([*besides, *names], drain=True)))
    return max(OneByOne.last_at.values()) - started


@contextmanager
def _hanging_until_delivered(names: Sequence[str], events: int) -> Iterator[None]:
    def answer_at_last() -> None:
        wait_for(lambda: all(OneByOne.delivered[name] == events for name in names), timeout=LONGEST)
        Hanging.answer()

    Hanging.hang()
    thread = threading.Thread(target=answer_at_last, daemon=True)
    thread.start()
    yield
    thread.join()
