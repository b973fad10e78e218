"""The base of the accountant and of the counter of refused lines: consumers of a follower (consumer.py)."""

from typing import ClassVar


class Observer:
    """Takes many entries at a time, in the transaction that moves its position."""

    batch: ClassVar[int] = 2000
    transactional: ClassVar[bool] = True
    digests: ClassVar[bool] = False
    interval: ClassVar[float] = 1.0
    burst: ClassVar[int] = 1

    def __init__(self, name: str) -> None:
        self.name = name

    def idle(self) -> None:
        """Called about once a second at the journal's end."""

    def close(self) -> None:
        """Called when the follower ends."""
