"""Payloads that wait, for a `process_raw` whose memory is looked at."""

from notifications.models import RawPayload, State
from tests.benchmarks.filling import fill, settle


def run(*, waiting: int = 0) -> dict[str, float]:
    """Make it so many more that wait; gives how many are done."""
    if waiting:
        fill(waiting, state=State.RECEIVED, source="bench")
        settle()
    return {"done": RawPayload.objects.filter(state=State.DONE).count()}
