"""The status for people: aligned, short, with what to do next."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from django.utils import timezone

from notifications.conf import conf
from notifications.positions.key import TEXT, machine_id
from notifications.positions.lock import holder
from notifications.status.channels import ChannelStatus
from notifications.status.lag_counting import Lag
from notifications.status.now import DatabaseStatus, SpoolStatus, Status
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.sizes import size
from notifications.utils.times import utc_now

HEADINGS: Final = ("", "read to", "behind", "delivered", "waiting", "failed", "lost", "follower")
LONGEST_PROBLEM: Final = 160
NONE: Final = "–"


def lines(now: Status) -> Iterator[str]:
    """The whole status."""
    if now.database is None:
        yield "The database is away: new payloads go to the spool."
    else:
        yield from _payloads(now.database)
        yield from _channels(now.database.channels)
        yield from _records(now.database)
    yield from _spool(now.spool) if now.spool else (f"Spool: cannot be read. {now.spool_problem}",)
    yield from _disks(now)
    yield from _advice(now.database) if now.database else ()


def _spool(now: SpoolStatus) -> Iterator[str]:
    oldest = f", the oldest for {now.oldest:.0f} s" if now.oldest is not None else ""
    yield f"Spool: {now.waiting} waiting{oldest}; {size(now.bytes)} of {size(now.max_bytes)}"
    if now.breaker_open:
        yield "Spool: the database failed just now, so new payloads go here"
    if now.set_aside:
        yield f"Spool: {now.set_aside} cannot be imported; look at spool/ in NOTIFICATIONS_STATE_DIR"


def _disks(now: Status) -> Iterator[str]:
    """Those that are nearly full."""
    database, least = now.database_disk, size(conf.min_free_bytes)
    is_low = database is not None and database.low
    if database is not None and is_low:
        whose = "Disk" if now.one_disk else "Disk of the database"
        yield f"{whose}: {size(database.free or 0)} free; intake answers 503 below {least}"
    if now.disk.low and not (is_low and now.one_disk):
        free = size(now.disk.free or 0)
        yield f"Disk of NOTIFICATIONS_STATE_DIR: {free} free; below {least} nothing goes to the spool"


def _payloads(now: DatabaseStatus) -> Iterator[str]:
    yield "Payloads"
    yield from (f"  {state:<12}{count:>9}" for state, count in now.payloads.items())
    if now.other_bytes:
        yield f"  {now.other_bytes} of the quarantined came under a used key with other bytes"
    if now.from_future:
        yield f"  {now.from_future} were received in the future: a clock was ahead"
    if now.oldest_waiting is not None:
        yield f"  the oldest has waited {now.oldest_waiting:.1f} s"


def _channels(channels: Sequence[ChannelStatus]) -> Iterator[str]:
    if not channels:
        yield "Channels"
        yield "  none has read the journal yet: start follow_journal"
    for (machine, url), group in groupby(sorted(channels, key=_place), _place):
        where = "" if machine == machine_id() else f", machine {machine}"
        yield f"Channels, {url}{where}"
        yield from _table([HEADINGS, *map(_row, group)])


def _place(channel: ChannelStatus) -> tuple[str, str]:
    return channel.machine, channel.journal.removesuffix(TEXT)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(channel: ChannelStatus) -> tuple[str, ...]:
    text = " (plain lines)" if channel.journal.endswith(TEXT) else ""
    return (
        channel.channel + text,
        _clock(channel.entry_time),
        behind(channel.behind),
        _clock(channel.delivered_at),
        str(channel.waiting),
        f"{channel.failed} ({channel.again} again)" if channel.again else str(channel.failed),
        f"{channel.lost}{'+' * channel.lost_more}",
        follower(channel),
    )


def behind(lag: Lag | None) -> str:
    """ "0", "214, 12 min", "at least 100000, 2 d", "?"."""
    if lag is None or (lag.at_least and not lag.events):
        return "?"
    since = f", {duration((utc_now() - lag.oldest).total_seconds())}" if lag.oldest else ""
    return f"{'at least ' * lag.at_least}{lag.events}{since}"


def follower(channel: ChannelStatus) -> str:
    """ "process 4711", "none", "?"."""
    return {True: f"process {channel.pid or '?'}", False: "none", None: "?"}[channel.followed]


def _clock(moment: datetime | None) -> str:
    """Local time, with the date if it is not today."""
    if moment is None:
        return NONE
    local = timezone.localtime(moment)
    return f"{local:%H:%M:%S}" if local.date() == timezone.localdate(utc_now()) else f"{local:%Y-%m-%d %H:%M}"


def _records(now: DatabaseStatus) -> Iterator[str]:
    again = f", {now.failed_again} of them to be sent again" if now.failed_again else ""
    yield f"Failed deliveries: {now.failed_deliveries}{again}"
    events = f", {now.lost_events}{'+' * now.lost_more} events" if now.losses else ""
    yield f"Losses: {now.losses}{events}"
    yield f"Refused entries: {sum(now.refused.values())}"
    yield from (f"  {count:>9}  {one_line(reason)}" for reason, count in now.refused.items())


def _advice(now: DatabaseStatus) -> Iterator[str]:
    """What an operator should do, most urgent first."""
    ours = [channel for channel in now.channels if channel.machine == machine_id()]
    yield from _followers_advice(ours)
    for channel in now.channels:
        if channel.problem:
            problem = graphemes.first(one_line(channel.problem), LONGEST_PROBLEM)
            yield f"! {channel.channel}{_next_attempt(channel)}: {problem}"
    if now.failed_deliveries > now.failed_again:
        yield "! Failed deliveries: fix what their reasons say, then send them again (both in the admin)"
    if now.other_bytes:
        yield "! Other bytes under a used key: the admin links each to the first; choose Handle too, or leave it"
    if now.from_future:
        yield "! Times in the future: process_raw handles these payloads now; set the clock by NTP (timedatectl)"
    if now.losses:
        yield "! Losses: the admin lists which, when and why"
    if any(channel.behind is None for channel in ours):
        yield "! ?: this user may not read the journal; run this as the user that follows it"


def _followers_advice(ours: Sequence[ChannelStatus]) -> Iterator[str]:
    if ours and all(channel.followed is False for channel in ours):
        unit = conf.follower_unit.removesuffix(".service")
        start = f"systemctl start {unit} (or manage.py follow_journal)" if unit else "start manage.py follow_journal"
        yield f"! follow_journal is not running: {start}"
        return
    accountants = {(channel.machine, channel.journal, "LOST") for channel in ours if channel.followed}
    if accountants and not any(holder(key).held for key in accountants):
        yield "! Losses are not counted: run one follow_journal without --channel"
    for channel in ours:
        if channel.followed is False and channel.behind and channel.behind.events:
            yield f"! {channel.channel} is not followed, though events wait: start follow_journal for it"


def _next_attempt(channel: ChannelStatus) -> str:
    if channel.next_attempt_at is None or channel.followed is False:
        return " waits"
    seconds = (channel.next_attempt_at - utc_now()).total_seconds()
    return f", next try in {duration(seconds)}" if seconds > 0 else " is tried again"
