"""Builds the workers of `follow_journal`: a follower for each channel and journal, and those for losses and resends."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from urllib.parse import urlsplit

from notifications.channels import OWN, Channel, channel_names, make_channel
from notifications.conf import conf
from notifications.events.channel_entries import parser
from notifications.events.event import Event
from notifications.follow_journal.digest import FEW
from notifications.follow_journal.follower import Follower
from notifications.follow_journal.pace import Pace
from notifications.follow_journal.resend import Resender
from notifications.follow_journal.shared_reader import SharedReader
from notifications.journal import Journal, journal_from_url
from notifications.losses import Accountant, Observed, TextRefusals
from notifications.positions.key import Key, journal_key, machine_id
from notifications.workers.loop import Stop, Worker


class DryRun(Channel):
    """Prints the events that a channel would get."""

    batch = 100

    def __init__(self, name: str, *, digests: bool) -> None:
        super().__init__(name)
        self._digests = digests
        self._count = 0

    def deliver(self, events: Sequence[Event]) -> None:
        self._count += len(events)
        for event in events:
            _print(f"{event.time:%Y-%m-%d %H:%M:%S} {self.name}: {event.text!r}")

    def close(self) -> None:
        if self._digests and self._count > FEW:
            _print(f"{self._count} events: {self.name} would get one digest of them")


def _print(line: str) -> None:
    try:
        print(line, flush=True)  # noqa: T201  the console is the destination
    except BrokenPipeError:  # `| head` has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python can flush stdout at exit
        sys.exit()


Maker = Callable[[Stop], Worker]
#: Returns the shared reader of a journal, the same each time. None: each follower reads for itself.
Share = Callable[[Journal], SharedReader | None]


def worker_makers(
    names: Sequence[str] = (), *, since: datetime | None = None, dry_run: bool = False, drain: bool = False
) -> Iterator[Maker]:
    """For `loop.run()`: a follower for each channel in `names` (if empty, for all) and each journal with its events.

    The engine's own channels are among all, unless events are delivered again or printed: these would count twice.

    One more worker sends failed deliveries again. If all channels are followed, others count losses and refused
    entries. With `since` or `dry_run` the followers are detached: they do not use positions, and stop at the end.
    Those that go on share a reader of each journald that has several, which is a worker too.
    """
    pace_of, shared_of = cache(_pace), cache(SharedReader)
    followed = names or [*channel_names(), *(() if dry_run or since else OWN)]
    shared = [] if drain or dry_run or since else _shared_journals(followed, accounts=not names)

    def share(source: Journal) -> SharedReader | None:
        return shared_of(source) if source in shared else None

    for name in followed:
        make = partial(_follower, name, since=since, dry_run=dry_run, drain=drain, pace=pace_of(name), share=share)
        yield partial(make, journal())
        if make_channel(name).harmless and (lines := text_journal()) is not None:
            yield partial(make, lines, text=True)
    if since is None and not dry_run:
        if not names:
            yield from _accountant_makers(drain=drain, share=share)
        yield lambda _: Resender(followed, pace_of, drain=drain)
    for source in shared:
        yield partial(_made, shared_of, source)


def journal() -> Journal:
    """The journal of events."""
    return journal_from_url(conf.journal_url, conf.state_dir)


def text_journal() -> Journal | None:
    """The journal with plain lines "SLACK: …" of other programs, or None. With journald it is the machine's."""
    events = journal()
    url = conf.text_journal_url or ("journald://" if _is_journald(events) else "")
    lines = journal_from_url(url, conf.state_dir) if url else None
    return events if lines is not None and lines.url == events.url else lines


def _shared_journals(followed: Sequence[str], *, accounts: bool) -> list[Journal]:
    """Each journald with more than one follower."""
    sources = [journal()] * (len(followed) + accounts)
    if (lines := text_journal()) is not None:
        sources += [lines] * (sum(map(_is_harmless, followed)) + accounts)
    return [source for source, count in Counter(sources).items() if count > 1 and _is_journald(source)]


def _is_journald(source: Journal) -> bool:
    return urlsplit(source.url).scheme == "journald"


def _pace(name: str) -> Pace:
    """Shared by all workers that deliver to a channel."""
    channel = make_channel(name)
    return Pace(channel.interval, channel.burst)


def _follower(
    name: str,
    source: Journal,
    stop: Stop,
    *,
    text: bool = False,
    since: datetime | None,
    dry_run: bool,
    drain: bool,
    pace: Pace,
    share: Share,
) -> Follower[Event]:
    detached = dry_run or since is not None
    channel = make_channel(name)
    return Follower(
        DryRun(name, digests=channel.digests) if dry_run else channel,
        source,
        parser(name, text=text),
        Key(machine_id(), journal_key(source, text=text), name),
        pace=Pace(0) if dry_run else pace,
        since=since,
        detached=detached,
        drain=drain or detached,
        shared=share(source),
    )


def _accountant_makers(*, drain: bool, share: Share) -> Iterator[Maker]:
    yield partial(_accountant, journal(), drain=drain, share=share)
    if (lines := text_journal()) is not None:
        yield partial(_text_refusals, lines, drain=drain, share=share)


def _accountant(source: Journal, stop: Stop, *, drain: bool, share: Share) -> Follower[Observed]:
    key = Key(machine_id(), journal_key(source, text=False), "LOST")
    accountant = Accountant(key.machine, key.journal, channel_names, alert=conf.alert_channel)
    observe, shared = accountant.observe, share(source)
    return Follower(accountant, source, observe, key, observer=accountant, drain=drain, shared=shared)


def _text_refusals(source: Journal, stop: Stop, *, drain: bool, share: Share) -> Follower[Observed]:
    key = Key(machine_id(), journal_key(source, text=True), "REFUSED")
    refusals = TextRefusals(
        key.machine, key.journal, lambda: [name for name in (*channel_names(), *OWN) if not _is_harmless(name)]
    )
    return Follower(refusals, source, refusals.observe, key, drain=drain, shared=share(source))


def _made(shared_of: Callable[[Journal], SharedReader], source: Journal, stop: Stop) -> SharedReader:
    return shared_of(source)


@cache
def _is_harmless(name: str) -> bool:
    return make_channel(name).harmless
