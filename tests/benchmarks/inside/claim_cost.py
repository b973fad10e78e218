"""Claims of a batch, and the empty turns of an idle worker, beside rows that are finished."""

import uuid
from datetime import UTC, datetime

from notifications.models import RawPayload, State
from notifications.process_raw.claim_and_handle import BATCH
from tests.benchmarks.filling import fill
from tests.benchmarks.timing import empty_times, microseconds, time_each


def run(*, claims: int) -> dict[str, float]:
    """Measure so many claims. Times in µs."""
    fill((claims + 1) * BATCH, state=State.RECEIVED)
    token = uuid.uuid4()
    claiming, looking = empty_times(claims), empty_times(claims)

    def claim(_: int) -> None:
        RawPayload.objects.claim(State.RECEIVED, token=token, limit=BATCH, lease=60)

    claim(0)  # warms up
    time_each(claim, range(claims), claiming)
    _finish(claims)
    time_each(_look, range(claims), looking)
    return {"claim": microseconds(claiming), "look": microseconds(looking)}


def _finish(claims: int) -> None:
    changes = {"state": State.DONE, "done_at": datetime.now(UTC), "lease_token": None, "lease_until": None}
    done = RawPayload.objects.filter(state=State.PROCESSING).update(next_attempt_at=None, **changes)
    if done != (claims + 1) * BATCH:
        raise RuntimeError(f"{claims + 1} claims took {done} payloads")


def _look(_: int) -> None:
    """What an idle worker asks in a turn."""
    for state in (State.RECEIVED, State.RETRYING):
        RawPayload.objects.claim(state, token=uuid.UUID(int=0), limit=BATCH, lease=60)
    RawPayload.objects.expired_tokens()
    RawPayload.objects.next_due()
