"""A journal that channels and an accountant follow to its end, one after another."""

import select
from typing import Any

from notifications.events.channel_entries import parser
from notifications.follow_journal.follower import Follower
from notifications.journal import Journal
from notifications.losses import Accountant
from notifications.positions.key import Key
from tests.support.tell import ScriptedChannel
from tests.support.wait import wait_for


class FollowedJournal:
    """Texts of events begin with their number."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def key(self, name: str) -> Key:
        return Key("machine", self.journal.url, name)

    def follow(self, name: str = "SLACK") -> list[int]:
        """Follow to the end of what is there; the numbers that were delivered."""
        channel = ScriptedChannel(name)
        drain(Follower(channel, self.journal, parser("SLACK", text=False), self.key(name), drain=True))
        return [int(text.split()[0]) for text in channel.delivered]

    def account(self) -> None:
        """Have the accountant read what is there."""
        accountant = Accountant("machine", self.journal.url, lambda: ["SLACK"], alert="")
        drain(Follower(accountant, self.journal, accountant.observe, self.key("LOST"), observer=accountant, drain=True))


def drain(follower: Follower[Any]) -> None:
    """Turn it until the end, and close it."""
    try:
        wait_for(lambda: turn(follower) is None, timeout=60, message="the end of the journal")
    finally:
        follower.close()


def turn(follower: Follower[Any]) -> float | None:
    """Poll until nothing more can be done now; wait a moment for more."""
    while (delay := follower.poll()) == 0:
        pass
    if delay is not None:
        descriptor = follower.fileno()
        select.select([] if descriptor is None else [descriptor], [], [], 0.02)
    return delay
