"""The base of the accountant and of the counter of refused lines: consumers of a follower (consumer.py)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from notifications.losses.observed_entry import Observed


class Observer(ABC):
    """Takes many entries at a time, in the transaction that moves its position."""

    batch: ClassVar[int] = 2000
    transactional: ClassVar[bool] = True
    digests: ClassVar[bool] = False
    interval: ClassVar[float] = 1.0
    burst: ClassVar[int] = 1

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def prepare_delivery(self, items: Sequence[Observed], /) -> Callable[[], None]:
        """Look at the items, without a transaction. Returns what writes the result, in one."""

    def deliver(self, items: Sequence[Observed], /) -> None:
        self.prepare_delivery(items)()

    def idle(self) -> None:  # noqa: B027  most have nothing to do
        """Called about once a second at the journal's end."""

    def close(self) -> None:  # noqa: B027  they hold nothing
        """Called when the follower ends."""
