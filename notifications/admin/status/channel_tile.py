"""The tile of all channels together."""

from notifications.admin.lists.body_view import visible
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import count, plural, seconds
from notifications.positions.key import TEXT
from notifications.status.channels import ChannelStatus
from notifications.utils.times import utc_now

#: Channels that the tile names.
NAMED = 3


def channels_tile(channels: list[ChannelStatus], href: str) -> Tile:
    """Those that deliver, and by name those that do not."""
    if not channels:
        return Tile("channels", "Channels", "none yet", Mood.FINE, ["None has read the journal."], href)
    blocked = [each for each in channels if each.problem]
    stopped = [each for each in channels if each.followed is False and not each.problem]
    rest = len(channels) - len(blocked) - len(stopped)
    facts = [f"{visible(_name(each))} {_how(each)}" for each in blocked[:NAMED]]
    facts += [f"and {count(len(blocked) - NAMED)} more"] * (len(blocked) > NAMED)
    facts += [f"{count(rest)} of {count(len(channels))} deliver"] if rest else []
    if blocked:
        return Tile("channels", "Channels", f"{count(len(blocked))} blocked", Mood.WARNING, facts, href)
    if stopped:
        facts.append(f"{plural(len(stopped), 'channel')} without a follower here")
    return Tile(
        "channels", "Channels", "all deliver" if not stopped else f"{count(rest)} deliver", Mood.FINE, facts, href
    )


def _name(channel: ChannelStatus) -> str:
    return channel.channel + (" (plain lines)" if channel.journal.endswith(TEXT) else "")


def _how(channel: ChannelStatus) -> str:
    """What waits, since when, and when it is tried again."""
    waits = f"holds {plural(channel.waiting, 'event')}"
    since = "" if channel.entry_time is None else f", delivered nothing for {_ago(channel)}"
    if channel.next_attempt_at is None:
        return f"{waits}{since}"
    left = (channel.next_attempt_at - utc_now()).total_seconds()
    return f"{waits}{since}, next try {f'in {seconds(left)}' if left > 0 else 'now'}"


def _ago(channel: ChannelStatus) -> str:
    then = channel.delivered_at or channel.entry_time
    return seconds((utc_now() - then).total_seconds()) if then else "ever"
