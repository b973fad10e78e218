"""The site's later work in the test's own process: what the engine ships for its users' tests, and a little more."""

from collections.abc import Iterator

import pytest

from notifications import testing
from notifications.models import RawPayload, State
from notifications.testing import work_off
from notifications.workers.loop import Stop

__all__ = ["Told", "stop", "told", "work_again", "work_off"]


class Told(testing.Told):
    """What `emit()` has told since the fixture was made."""

    def lines(self) -> list[str]:
        """`NAME: text` of the events that belong to a request."""
        return [f"{event.name}: {event.text}" for event in self.events() if "trace" in event.data]


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.close()


@pytest.fixture
def stop() -> Iterator[Stop]:
    """Of a worker that the test turns."""
    stop = Stop()
    yield stop
    stop.close()


def work_again(payload: RawPayload) -> RawPayload:
    """Handle a payload once more, as after a crash or a replay."""
    RawPayload.objects.filter(pk=payload.pk).update(state=State.RECEIVED, next_attempt_at=payload.received_at)
    return work_off()[0]
