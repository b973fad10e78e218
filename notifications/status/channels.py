"""The status of each channel: its position, what waits, what failed, what was lost, who follows it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from notifications.database import bounded_wait
from notifications.models import Position
from notifications.operations.problem import RESTART
from notifications.positions.key import TEXT, machine_id
from notifications.positions.lock import Holder, holder
from notifications.status.database_rows import DatabaseRows, read_of_channels
from notifications.status.lag_counting import Lag
from notifications.utils.times import utc_now

#: Seconds of trouble that is no more than a retry: a restart of what is at the other end takes less.
BRIEF: Final = RESTART


class ChannelState(StrEnum):
    """How a channel is doing, in a word."""

    #: Nothing waits.
    IDLE = "idle"
    #: Events wait, and it takes them.
    DELIVERING = "delivering"
    #: It failed just now, and is tried again.
    RETRYING = "retrying"
    #: It has been failing for longer.
    BLOCKED = "blocked"
    #: Events wait, and nobody follows it.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel's position and its numbers.

    `lag`: seconds since the last entry it passed was written, whether or not more came. `behind` is None if nobody
    asked or it is unknown; `followed` is None on other machines. `failed`, `again` (those to be sent again) and `lost`
    are of the channel in all its journals; `lost_more`: and an unknown number besides. `problem_since` is None where
    there is none, or an older release wrote it.
    """

    channel: str
    journal: str
    machine: str
    lag: float | None
    delivered_at: datetime | None
    entry_time: datetime | None
    waiting: int
    next_attempt_at: datetime | None
    problem: str
    behind: Lag | None
    followed: bool | None
    pid: int | None
    failed: int
    again: int
    lost: int
    lost_more: bool
    problem_since: datetime | None = None

    @property
    def name(self) -> str:
        """For people: a channel has a position of its own for plain lines."""
        return self.channel + " (plain lines)" * self.journal.endswith(TEXT)

    @property
    def state(self) -> ChannelState:
        """Events behind count only if somebody asked for them."""
        waits = bool(self.waiting or self.problem or (self.behind and self.behind.events))
        if waits and self.followed is False:
            return ChannelState.STOPPED
        if self.problem:
            since = self.problem_since
            lasts = None if since is None else (utc_now() - since).total_seconds()
            return ChannelState.RETRYING if lasts is not None and lasts < BRIEF else ChannelState.BLOCKED
        return ChannelState.DELIVERING if waits else ChannelState.IDLE

    @property
    def since(self) -> datetime | None:
        """Since when it is in that state, as far as anybody knows; None if nobody does."""
        if self.state is ChannelState.IDLE:
            return self.delivered_at or self.entry_time
        if self.problem:
            return self.problem_since
        return self.behind.oldest if self.behind else None


def without_left(channels: Sequence[ChannelStatus]) -> list[ChannelStatus]:
    """Without those of a journal that was left: here nobody follows it, but the same channel is followed in another."""
    followed = {_kind(channel) for channel in channels if channel.followed}
    return [channel for channel in channels if channel.followed is not False or _kind(channel) not in followed]


def is_left(position: Position) -> bool:
    """Whether it is one of a journal that was left. Raises database errors."""
    same = Position.objects.filter(machine=position.machine, channel=position.channel)
    found = channel_statuses(list(same), utc_now(), {})
    return position.pk in found and found[position.pk] not in without_left(list(found.values()))


def _kind(channel: ChannelStatus) -> tuple[str, str, bool]:
    return channel.machine, channel.channel, channel.journal.endswith(TEXT)


class Failed(NamedTuple):
    """Failed deliveries of a channel; `again` of them wait to be sent again."""

    rows: int = 0
    again: int = 0


class Lost(NamedTuple):
    """Events that a channel never saw, in so many records; `more`: and an unknown number besides."""

    events: int = 0
    more: bool = False
    records: int = 0


def failed_by_channel(rows: DatabaseRows) -> dict[str, Failed]:
    """In the order of their names."""
    return {name: Failed(count, again) for name, count, again in sorted(rows["failed"])}


def lost_by_channel(rows: DatabaseRows) -> dict[str, Lost]:
    """Losses of all channels are under ""."""
    return {name: Lost(lost or 0, records > known, records) for name, lost, records, known in rows["lost"]}


def channel_statuses(
    positions: Iterable[Position],
    now: datetime,
    lags: Mapping[int, Lag | None],
    rows: DatabaseRows | None = None,
) -> dict[int, ChannelStatus]:
    """By the positions' primary keys. `rows` are read if the caller has not. Raises database errors."""
    rows = read_of_channels(bounded_wait.connection()) if rows is None else rows
    failures, losses, ours = failed_by_channel(rows), lost_by_channel(rows), machine_id()

    def status_of(each: Position) -> ChannelStatus:
        failed, lost = failures.get(each.channel, Failed()), losses.get(each.channel, Lost())
        follower = holder((each.machine, each.journal, each.channel)) if each.machine == ours else Holder(None)
        return ChannelStatus(
            channel=each.channel,
            journal=each.journal,
            machine=each.machine,
            lag=(now - each.entry_time).total_seconds() if each.entry_time else None,
            delivered_at=each.delivered_at,
            entry_time=each.entry_time,
            waiting=each.waiting,
            next_attempt_at=each.next_attempt_at,
            problem=each.problem,
            behind=lags.get(each.pk),
            followed=follower.held,
            pid=follower.pid,
            failed=failed.rows,
            again=failed.again,
            lost=lost.events,
            lost_more=lost.more,
            problem_since=each.problem_since if each.problem else None,
        )

    return {each.pk: status_of(each) for each in positions}
