"""The tile of all channels together."""

from collections import Counter
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import count, plural, seconds
from notifications.events.event import RESERVED
from notifications.status.channels import ChannelState, ChannelStatus
from notifications.status.since import since
from notifications.utils.times import utc_now

#: Channels that the tile names.
NAMED: Final = 3
#: The gravest first.
TROUBLE: Final = (ChannelState.BLOCKED, ChannelState.STOPPED, ChannelState.RETRYING)


def channels_tile(channels: list[ChannelStatus], href: str, *, is_followed: bool) -> Tile:
    """Those that deliver, and by name those that do not. The engine's own are named only if they do not.

    `is_followed`: follow_journal turns here, or is started now and then.
    """
    troubled = sorted((each for each in channels if each.state in TROUBLE), key=lambda each: TROUBLE.index(each.state))
    all_channels = [each for each in channels if each.channel not in RESERVED or each in troubled]
    if not all_channels:
        return Tile("channels", "Channels", "none yet", Mood.FINE, ["none has read the journal"], href)
    left = [each for each in all_channels if each.followed is False and not is_followed and each not in troubled]
    rest = len(all_channels) - len(troubled) - len(left)
    counted = f"{count(rest)} of {count(len(all_channels))} deliver"
    if not troubled and not left:
        return Tile("channels", "Channels", "all deliver", Mood.FINE, [counted], href)
    numbers = Counter(each.state.value for each in troubled) + Counter({"not followed": len(left)})
    facts = [f"{visible(each.name)} {_how(each)}" for each in troubled[:NAMED]]
    facts += [f"and {count(len(troubled) - NAMED)} more"] if len(troubled) > NAMED else []
    state = ", ".join(f"{count(number)} {state}" for state, number in numbers.items())
    return Tile("channels", "Channels", state, Mood.WARNING, [*facts, counted], href)


def _how(channel: ChannelStatus) -> str:
    """Its state, since when, what it holds, and when it is tried again."""
    parts = [f"is {channel.state}" + (f" {since(channel.since)}" if channel.since else "")]
    parts += [f"holds {plural(channel.waiting, 'event')}"] if channel.waiting else []
    if channel.next_attempt_at is not None and channel.state is not ChannelState.STOPPED:
        left = (channel.next_attempt_at - utc_now()).total_seconds()
        parts.append(f"next try {f'in {seconds(left)}' if left > 0 else 'now'}")
    return "; ".join(parts)
