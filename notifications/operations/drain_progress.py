"""Shows how far `process_raw --drain` has got."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import OutputWrapper
from django.db import Error

from notifications.database import bounded_wait
from notifications.models import RawPayload
from notifications.models.states import DUE
from notifications.signals import payload_failed, payload_handled
from notifications.store.spool import spool
from notifications.utils.progress import ProgressBar
from notifications.utils.progress_beside import beside
from notifications.utils.times import utc_now

#: More are not counted: the count would take longer than people wait for a first number.
MOST: Final = 1_000_000


@contextmanager
def shown_payloads(out: OutputWrapper, sources: Sequence[str]) -> Iterator[Callable[[], None]]:
    """In the block the attempts of this process are counted. Yields what shows them, for one thread."""
    done, lock = [0], threading.Lock()

    def count(**_: Any) -> None:
        with lock:
            done[0] += 1

    for signal in (payload_handled, payload_failed):
        signal.connect(count, weak=False)
    try:
        with ProgressBar(out, _due(sources)) as progress, beside(progress):
            yield lambda: progress.show(done[0])
            progress.show(done[0])
    finally:
        for signal in (payload_handled, payload_failed):
            signal.disconnect(count)


def _due(sources: Sequence[str]) -> int | None:
    """How many are due now, with those in the spool; None if nobody knows."""
    due = RawPayload.objects.filter(state__in=DUE, next_attempt_at__lte=utc_now())
    if sources:
        due = due.filter(source__in=sources)
    db = bounded_wait.connection()
    try:
        waiting = spool().look().files
        count: int = bounded_wait.run_bounded(db, lambda: due.order_by()[:MOST].count())
    except (Error, OSError):
        return None
    return None if count == MOST else count + waiting
