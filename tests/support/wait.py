"""Wait for a condition with a deadline, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], T | None], *, timeout: float = 15, message: str = "") -> T:
    """The first truthy value of `condition()`, which is asked every 20 ms.

    Raises AssertionError after `timeout` seconds, saying what was awaited (`message`, else the name of the
    condition) and what came last. What `condition` raises is not caught.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() >= deadline:
            awaited = message or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"waited {timeout:g} s for: {awaited} (last value: {value!r})")
        time.sleep(POLL_SECONDS)
    return value
