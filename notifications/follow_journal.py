"""Which followers there are: one for each channel and journal."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from notifications import positions
from notifications.channels import Channel, channel_names, make_channel
from notifications.conf import conf
from notifications.events import Event, event_of, text_event_of
from notifications.follower import Follower
from notifications.journal import Entry, Journal, journal_from_url
from notifications.worker import Stop


class Printed(Channel):
    """Prints what a channel would be given."""

    batch = 100

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            line = f"{event.time:%Y-%m-%d %H:%M:%S} {self.name}: {event.text!r}"
            print(line, flush=True)  # noqa: T201  the console is the destination


def follower_makers(
    names: Sequence[str] = (), *, since: datetime | None = None, dry_run: bool = False, drain: bool = False
) -> Iterator[Callable[[Stop], Follower]]:
    """For `worker.run()`: a maker for each channel in `names` (all, if empty) and each journal it takes events from.

    With `since` or `dry_run` the followers are detached: they neither read nor move a position, and stop at the end.
    """
    for name in names or channel_names():
        yield partial(_make, name, journal(), since=since, dry_run=dry_run, drain=drain)
        if make_channel(name).harmless and (lines := text_journal()) is not None:
            yield partial(_make, name, lines, text=True, since=since, dry_run=dry_run, drain=drain)


def journal() -> Journal:
    """The journal that events are written to."""
    return journal_from_url(conf.journal_url, conf.state_dir)


def text_journal() -> Journal | None:
    """The journal with plain lines "SLACK: …" of other programs: the machine's, where journald is in use."""
    url = conf.text_journal_url or ("journald://" if urlsplit(journal().url).scheme == "journald" else "")
    return journal_from_url(url, conf.state_dir) if url else None


def _make(
    name: str,
    source: Journal,
    stop: Stop,
    *,
    text: bool = False,
    since: datetime | None,
    dry_run: bool,
    drain: bool,
) -> Follower:
    detached = dry_run or since is not None
    return Follower(
        Printed(name) if dry_run else make_channel(name),
        source,
        partial(_parse, name, text, conf.trusted_uids),
        positions.Key(positions.machine_id(), source.url + ("#text" if text else ""), name),
        since=since,
        detached=detached,
        drain=drain or detached,
    )


def _parse(name: str, text: bool, trusted_uids: frozenset[int], entry: Entry) -> Event | None:
    if text:
        event = text_event_of(entry)
        return event if event is not None and event.name == name else None
    if entry.fields.get("PROPPY_EVENT") != name:
        return None
    return event_of(entry, trusted_uids)
