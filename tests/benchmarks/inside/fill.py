"""Payloads beside which something is measured; or how many are done."""

from notifications.models import RawPayload, State
from tests.benchmarks.filling import fill, settle


def run(*, count: int = 0, state: str = State.DONE, source: str = "demo") -> dict[str, int]:
    """Add so many payloads; gives how many are done if none are to be added."""
    if not count:
        return {"done": RawPayload.objects.filter(state=State.DONE).count()}
    fill(count, state=state, source=source)
    settle()
    return {}
