"""What is wrong with channels: blocked, not followed, near the journal's quota; deliveries that failed, and losses."""

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from notifications.conf import conf
from notifications.events.admin_links import admin_path
from notifications.events.event import SERIES
from notifications.journal import journal_from_url
from notifications.models import FailedDelivery, Loss, Position, Refusal
from notifications.operations.problem import Grade, Problem
from notifications.positions.key import TEXT, machine_id
from notifications.positions.lock import holder
from notifications.status.channels import ChannelStatus
from notifications.status.database import DatabaseStatus
from notifications.status.now import Status
from notifications.status.since import since
from notifications.status.unseen import UnseenLosses, UnseenRefused
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.sizes import size
from notifications.utils.times import utc_now

LONGEST_REASON: Final = 160
#: Channels that a text names.
NAMED: Final = 3
#: The parts of the journal's quota that may be unread: then somebody must act, then events are about to be removed.
MUCH: Final = 0.5
NEARLY_ALL: Final = 0.9
#: A loss is going on for so long after the last one, and news for so long.
GOES_ON: Final = timedelta(hours=1)
NEWS: Final = timedelta(days=7)


def channel_problems(now: Status) -> Iterator[Problem]:
    """None while the database, which has the positions, is away. None of SERIES: it only counts."""
    if now.database is None:
        return
    channels = channels_in_use(now.database)
    ours = [channel for channel in now.database.channels if channel.machine == machine_id() and _counts(channel)]
    yield from _losses(now.database.unseen_losses)
    yield from _quotas([channel for channel in ours if _is_in_use(channel)])
    yield from _followers(ours)
    yield from _blocked(channels)
    yield from _failed(now.database)
    yield from _refused(now.database.unseen_refused)


def channels_in_use(now: DatabaseStatus) -> list[ChannelStatus]:
    """Not those that were removed, or whose machine is gone: their positions stay. Nor SERIES."""
    known = {machine_id(), *(each.machine for each in now.machines)}
    channels = [channel for channel in now.channels if channel.machine in known and _counts(channel)]
    return [channel for channel in channels if channel.machine != machine_id() or _is_in_use(channel)]


def _counts(channel: ChannelStatus) -> bool:
    """SERIES does not: what it delivers is counted, not told."""
    return channel.channel != SERIES


def _is_in_use(channel: ChannelStatus) -> bool:
    """Not one that was removed: its position stays, and says for ever what was last."""
    return bool(channel.followed) or channel.channel in conf.channels


def _losses(now: UnseenLosses) -> Iterator[Problem]:
    age = None if now.last is None else utc_now() - now.last
    if age is None or age > NEWS:
        return
    yield Problem(
        name="events-lost",
        grade=Grade.CRITICAL if age < GOES_ON else Grade.WARNING,
        text=f"{_lost(now)}, the last {duration(age.total_seconds())} ago{_last_reason(now)}",
        advice="What was lost, when and why: see the records, then mark them as seen.",
        path=admin_path(Loss, seen="no"),
    )


def _lost(now: UnseenLosses) -> str:
    """How many, as far as anybody knows, and of which channels."""
    of = f" of {', '.join(now.channels)}" if 0 < len(now.channels) <= NAMED and "" not in now.channels else ""
    if not now.events:
        return f"Events{of} were lost, nobody knows how many"
    many = now.events > 1 or now.more
    return f"{'At least ' * now.more}{now.events} event{'s' * many}{of} {'were' if many else 'was'} lost"


def _last_reason(now: UnseenLosses) -> str:
    return f": {graphemes.first(one_line(now.reason), LONGEST_REASON)}" if now.reason else ""


def _refused(now: UnseenRefused) -> Iterator[Problem]:
    """Not reported: whoever may write to the journal would ring a bell."""
    if now.last is None or utc_now() - now.last > NEWS:
        return
    yield Problem(
        name="entries-refused",
        grade=Grade.WARNING,
        text=f"{now.entries} journal entr{'ies that look' if now.entries != 1 else 'y that looks'} like"
        f" {'events' if now.entries != 1 else 'an event'} {'were' if now.entries != 1 else 'was'} refused, the last"
        f" {duration((utc_now() - now.last).total_seconds())} ago",
        advice="Each kind has its reason and an example: mend what wrote them, or mark them as seen.",
        path=admin_path(Refusal, seen="no"),
    )


def _quotas(ours: Sequence[ChannelStatus]) -> Iterator[Problem]:
    """Of the channel of each journal that is furthest behind: the others are mended with it."""
    oldest: dict[str, ChannelStatus] = {}
    for channel in sorted((each for each in ours if each.entry_time), key=lambda each: each.lag or 0.0):
        oldest[channel.journal.removesuffix(TEXT)] = channel
    for url, channel in oldest.items():
        try:
            since_us = int(channel.entry_time.timestamp() * 1e6) if channel.entry_time else 0
            unread = journal_from_url(url, conf.state_dir).unread(since_us)
        except ValueError:  # of a kind that is no more
            continue
        if unread is None or unread.written < MUCH * unread.quota:
            continue
        nearly = unread.written >= NEARLY_ALL * unread.quota
        yield Problem(
            name="journal-quota",
            subject=channel.channel,
            grade=Grade.CRITICAL if nearly else Grade.WARNING,
            text=f"{channel.channel} has read nothing for {duration(channel.lag or 0.0)}; {size(unread.written)} were"
            f" written since, and {url} keeps {size(unread.quota)}",
            advice="Have it deliver again, or raise the journal's quota: what is removed unread is lost.",
            path=admin_path(Position),
        )


def _followers(ours: Sequence[ChannelStatus]) -> Iterator[Problem]:
    host = os.uname().nodename
    accountants = {(channel.machine, channel.journal, "LOST") for channel in ours if channel.followed}
    if accountants and not any(holder(key).held for key in accountants):
        yield Problem(
            name="losses-not-counted",
            grade=Grade.WARNING,
            text=f"Losses are not counted on {host}",
            advice="Run one follow_journal without --channel.",
        )
    if not all(channel.followed is False for channel in ours):  # else follow_journal itself does not run
        for channel in ours:
            if channel.followed is False and channel.behind and channel.behind.events:
                yield Problem(
                    name="channel-not-followed",
                    subject=channel.channel,
                    grade=Grade.WARNING,
                    text=f"{channel.channel} is not followed on {host}, though events wait",
                    advice="Start follow_journal for it.",
                    path=admin_path(Position),
                )


def unreadable(now: Status) -> Iterator[Problem]:
    """For who asked for the lag: a journal of this machine that is followed cannot be read."""
    channels = now.database.channels if now.database else []
    if any(channel.behind is None for channel in channels if channel.followed):
        yield Problem(
            name="journal-unreadable",
            grade=Grade.UNKNOWN,
            text="How far channels are behind is unknown (?): this user may not read the journal that is followed",
            advice="Run this as the user that follows it.",
        )


def _blocked(channels: Sequence[ChannelStatus]) -> Iterator[Problem]:
    for channel in channels:
        if not channel.problem:
            continue
        reason = graphemes.first(one_line(channel.problem), LONGEST_REASON)
        yield Problem(
            name="channel-blocked",
            subject=channel.name,
            grade=Grade.WARNING,
            text=f"{channel.channel} {_delivers_nothing(channel)}: {reason}{_kept(channel)}{_next_attempt(channel)}",
            advice=_what_to_mend(channel),
            path=admin_path(Position),
            elsewhere=channel.machine != machine_id(),
        )


def _delivers_nothing(channel: ChannelStatus) -> str:
    """An older release does not say since when."""
    if channel.problem_since is None:
        return "delivers nothing"
    return f"has delivered nothing {since(channel.problem_since)}"


def _kept(channel: ChannelStatus) -> str:
    count = max(channel.waiting, channel.behind.events if channel.behind else 0)
    return f"; {count} event{'s wait' if count != 1 else ' waits'}"


def _what_to_mend(channel: ChannelStatus) -> str:
    if channel.followed is False:
        return "These are kept, and tried again in order once follow_journal runs. Mend what the reason says."
    return "These are kept, and tried again by themselves, in order. Mend what the reason says."


def _next_attempt(channel: ChannelStatus) -> str:
    if channel.next_attempt_at is None or channel.followed is False:
        return ""
    seconds = (channel.next_attempt_at - utc_now()).total_seconds()
    return f", next try in {duration(seconds)}" if seconds > 0 else ", tried again now"


def failed_channels(now: DatabaseStatus) -> list[str]:
    """Those with failed deliveries that are not to be sent again."""
    asked = {each.channel for each in now.channels if each.failed <= each.again}
    return [channel for channel in now.failed if channel not in asked]


def _failed(now: DatabaseStatus) -> Iterator[Problem]:
    if (count := now.failed_deliveries - now.failed_again) <= 0:
        return
    channels = ", ".join(failed_channels(now))
    yield Problem(
        name="deliveries-failed",
        grade=Grade.WARNING,
        text=f"{count} deliver{'ies were' if count > 1 else 'y was'} given up ({channels})",
        advice="Fix what their reasons say, then send them again.",
        path=admin_path(FailedDelivery),
    )
