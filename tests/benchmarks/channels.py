"""Channels that go nowhere: what is left is the cost of the follower."""

import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from notifications.channels import Channel
from notifications.channels.report import Report
from notifications.events.event import Event


class Empty(Channel):
    """Counts what it is given, in batches as large as those of the engine's own REPORT."""

    batch = Report.batch
    delivered: ClassVar[int] = 0

    def deliver(self, events: Sequence[Event]) -> None:
        Empty.delivered += len(events)


class OneByOne(Channel):
    """Counts what it is given, one event at a time, and when the last one came."""

    delivered: ClassVar[Counter[str]] = Counter()
    last_at: ClassVar[dict[str, float]] = {}

    def deliver(self, events: Sequence[Event]) -> None:
        OneByOne.delivered[self.name] += len(events)
        OneByOne.last_at[self.name] = time.perf_counter()


class Hanging(Channel):
    """Waits for an answer that does not come, until `answer()`."""

    _ours: ClassVar[socket.socket]
    _theirs: ClassVar[socket.socket]

    @classmethod
    def hang(cls) -> None:
        """From now on."""
        cls._ours, cls._theirs = socket.socketpair()

    @classmethod
    def answer(cls) -> None:
        """Whatever was and will be asked."""
        cls._theirs.close()

    def deliver(self, events: Sequence[Event]) -> None:
        self._ours.recv(1)
