"""The status for people: aligned, short. What to do next the verdict says: verdict_text.py."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Final

from django.utils import timezone

from notifications.positions.key import TEXT, machine_id
from notifications.status.channels import ChannelStatus, without_left
from notifications.status.database import DatabaseStatus
from notifications.status.lag_counting import Lag
from notifications.status.now import SpoolStatus, Status
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.sizes import size
from notifications.utils.times import moment_of, utc_now
from notifications.workers.heartbeat import Beat, beat_of

HEADINGS: Final = ("", "read to", "behind", "delivered", "waiting", "failed", "lost", "follower")
NONE: Final = "–"


def lines(now: Status) -> Iterator[str]:
    """The whole status."""
    if now.database is not None:
        yield from _payloads(now.database)
        yield from _channels(now.database.channels)
        yield from _records(now.database)
    yield from _spool(now.spool) if now.spool else (f"Spool: cannot be read. {now.spool_problem}",)
    yield from _workers(now.workers or [])
    for machine in now.database.machines if now.database else ():
        yield from _workers([_as_of_then(beat, machine.seen) for each in machine.workers if (beat := beat_of(each))])


def _spool(now: SpoolStatus) -> Iterator[str]:
    oldest = f", the oldest for {now.oldest:.0f} s" if now.oldest is not None else ""
    yield f"Spool: {now.waiting} waiting{oldest}; {size(now.bytes)} of {size(now.max_bytes)}"
    if now.breaker_open:
        yield "Spool: the database failed just now, so new payloads go here"


def _as_of_then(beat: Beat, ago: float) -> Beat:
    """Another machine has told it some seconds ago."""
    return replace(beat, beat_at=beat.beat_at + ago, turned_at=beat.turned_at + ago)


def _workers(beats: Sequence[Beat]) -> Iterator[str]:
    for beat in beats:
        state = "runs" if beat.turns else "hangs" if beat.alive else "was killed"
        release = f", release {one_line(beat.release)}" if beat.release else ""
        started = _clock(moment_of(int(beat.started_at * 1e6)))
        yield f"{beat.command} (process {beat.pid} on {beat.host}{release}): {state}, started {started}"
        for what, since in beat.activities if beat.alive else ():
            yield f"  {one_line(what)}, for {duration(time.time() - since)}"


def _payloads(now: DatabaseStatus) -> Iterator[str]:
    yield "Payloads"
    yield from (f"  {state:<12}{count:>9}" for state, count in now.payloads.items())
    if now.oldest_waiting is not None:
        yield f"  the oldest has waited {now.oldest_waiting:.1f} s"


def _channels(channels: Sequence[ChannelStatus]) -> Iterator[str]:
    if not channels:
        yield "Channels"
        yield "  none has read the journal yet: start follow_journal"
    in_use = set(map(_place, without_left(channels)))
    for place, group in groupby(sorted(channels, key=_place), _place):
        machine, url = place
        where = "" if machine == machine_id() else f", machine {machine}"
        left = "" if place in in_use else ", left for another journal: their pages in the admin can delete them"
        yield f"Channels, {url}{where}{left}"
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
    yield f"Losses: {now.losses}{events}{_unseen(now.unseen_losses.records, now.losses)}"
    refused = sum(now.refused.values())
    yield f"Refused entries: {refused}{_unseen(now.unseen_refused.entries, refused)}"
    yield from (f"  {count:>9}  {one_line(reason)}" for reason, count in now.refused.items())


def _unseen(unseen: int, of_all: int) -> str:
    """Nothing if somebody has yet to see all of them, which is so until people begin to mark some."""
    return f" ({unseen} not seen)" if unseen < of_all else ""
