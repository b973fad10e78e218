"""How long to wait before the next attempt."""

import random
from typing import Final

#: Seconds before the next attempt at a payload, at most.
LONGEST: Final = 3600.0


def backoff(attempt: int, *, base: float = 1.0, cap: float = LONGEST) -> float:
    """Returns the seconds to wait after an attempt (1 is the first): doubled from `base` up to `cap`, with jitter.

    The jitter takes off up to half, so that payloads that failed together are not tried again together.
    """
    delay = min(cap, base * 2.0 ** min(max(attempt, 1) - 1, 62))
    return delay * random.uniform(0.5, 1.0)  # noqa: S311  no secret
