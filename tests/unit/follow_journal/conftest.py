from collections.abc import Iterator
from typing import Any

import pytest

from notifications.channels import Channel
from notifications.events.channel_entries import parser
from notifications.events.event import Event
from notifications.follow_journal.follower import Follower
from notifications.journal import Journal
from tests.support.tell import Clock, ClosedOnce, FlakyJournal, Follow, key


@pytest.fixture
def journal() -> FlakyJournal:
    return FlakyJournal()


@pytest.fixture
def follow(journal: FlakyJournal, clock: Clock) -> Iterator[Follow]:
    """Makes followers of the channel's name, which drain; closes them."""
    made: list[Follower[Event]] = []

    def make(channel: Channel, source: Journal = journal, *, text: bool = False, **options: Any) -> Follower[Event]:
        options = {"drain": True, **options}
        made.append(ClosedOnce(channel, source, parser(channel.name, text=text), key(channel.name), **options))
        return made[-1]

    yield make
    for follower in made:
        follower.close()
