"""A lease is that of the payload's source, whatever leases other sources have: the same on each database."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from django.utils import timezone

from notifications.models import RawPayload
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.workers.loop import Stop
from tests.support.payloads import kept, make_due, states

SOURCES: Final = {"demo": {"lease": 60.0}, "welcome": {"lease": 3600.0}}


def die(_: RawPayload) -> NoReturn:
    raise KeyboardInterrupt


class LeasesCases:
    def test_a_lease_is_that_of_the_source(
        self, on_demo: Callable[..., None], settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Two workers of another machine die, each with a payload in hand; this one takes each over after its time."""
        now = timezone.now
        settings.NOTIFICATIONS_SOURCES = SOURCES
        for source in SOURCES:
            kept(source=source)
            on_demo(die, source=source)
        here, settings.NOTIFICATIONS_STATE_DIR = settings.NOTIFICATIONS_STATE_DIR, tmp_path / "elsewhere"
        stop = Stop()
        workers = [ProcessRaw(stop) for _ in SOURCES]
        for worker in workers:
            with pytest.raises(KeyboardInterrupt):
                worker.poll()
        settings.NOTIFICATIONS_STATE_DIR = here
        for source in SOURCES:
            on_demo(lambda _: None, source=source)
        workers.append(ProcessRaw(stop))
        for seconds, expected in (
            (110, ["processing", "processing"]),
            (130, ["done", "processing"]),
            (7100, ["done", "processing"]),
            (7300, ["done", "done"]),
        ):
            monkeypatch.setattr(timezone, "now", lambda seconds=seconds: now() + timedelta(seconds=seconds))
            for _ in range(2):  # it is taken over; then it is due, and handled
                while workers[-1].poll() == 0:
                    pass
                make_due()
            assert states() == expected
        for worker in workers:
            worker.close()
        stop.close()
