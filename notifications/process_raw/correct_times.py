"""Looks now and then for what a clock that was ahead has written, and corrects it."""

import logging
import time
from collections.abc import Callable
from typing import Final

from notifications.models import RawPayload

logger = logging.getLogger(__name__)

#: Seconds between two looks at new payloads, and at failed ones: of these millions may wait, rightly.
INTERVAL: Final = 0.875
LONG_INTERVAL: Final = 60.0
#: A look that takes long is followed by a pause so many times as long.
PATIENCE: Final = 50.0


class CorrectTimes:
    """Call it with each turn of a worker."""

    def __init__(self) -> None:
        self._received = _Look(RawPayload.objects.correct_received, INTERVAL)
        self._retries = _Look(RawPayload.objects.correct_retries, LONG_INTERVAL)

    def __call__(self) -> int:
        """Returns how many payloads are due now. Raises database errors."""
        corrected = self._received() + self._retries()
        if corrected:
            logger.warning(
                "%d payloads had times that a clock which was ahead had written: they are due now, or after the wait"
                " that their sender asked for. Check the clocks of all machines (timedatectl)",
                corrected,
            )
        return corrected


class _Look:
    def __init__(self, correct: Callable[[], int], interval: float) -> None:
        self._correct, self._interval = correct, interval
        self._due = 0.0

    def __call__(self) -> int:
        started = time.monotonic()
        if started < self._due:
            return 0
        corrected = self._correct()
        ended = time.monotonic()
        self._due = 0.0 if corrected else ended + max(self._interval, PATIENCE * (ended - started))
        return corrected
