"""Tiles of events: channels, failed deliveries, losses, refused entries."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.channel_tile import channels_tile
from notifications.admin.status.links import Links
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import clock, count, plural, seconds
from notifications.models import FailedDelivery, Loss, Position, Refusal
from notifications.operations.problem import Problem
from notifications.status.channel_problems import GOES_ON, NEWS, channels_in_use, failed_channels
from notifications.status.database import DatabaseStatus
from notifications.status.unseen import UnseenLosses
from notifications.utils.times import utc_now

#: The problem that no follow_journal runs.
NOT_FOLLOWED: Final = "follow-journal-dead"


def event_tiles(now: DatabaseStatus, links: Links, problems: Iterable[Problem]) -> Iterator[Tile]:
    """For who may see these lists. Before a follow_journal has ever run, what it would know is not known yet."""
    is_new = not now.channels
    if links.may_see(Position):
        is_dead = any(each.name == NOT_FOLLOWED and not each.elsewhere for each in problems)
        channels = channels_tile(channels_in_use(now), links.to(Position), is_followed=not is_dead)
        yield _not_yet(channels) if is_new else channels
    if links.may_see(FailedDelivery):
        yield _not_yet(_failed(now, links)) if is_new and not now.failed_deliveries else _failed(now, links)
    if links.may_see(Loss):
        yield _not_yet(_losses(now, links)) if is_new and not now.losses else _losses(now, links)
    if links.may_see(Refusal):
        yield _not_yet(_refused(now, links)) if is_new and not now.refused else _refused(now, links)


def _not_yet(tile: Tile) -> Tile:
    return replace(tile, state="not known yet", mood=Mood.UNKNOWN, facts=["no follow_journal has run"])


def _failed(now: DatabaseStatus, links: Links) -> Tile:
    number = now.failed_deliveries - now.failed_again
    mood = Mood.WARNING if number > 0 else Mood.FINE
    facts = [", ".join(map(visible, failed_channels(now)))] if number > 0 else []
    facts += [f"{count(now.failed_again)} to be sent again"] if now.failed_again else []
    query = {"again": "no"} if number > 0 else {}
    state = f"{count(number)} given up" if number > 0 else "none"
    return Tile("failed", "Failed deliveries", state, mood, facts, links.to(FailedDelivery, **query))


def _losses(now: DatabaseStatus, links: Links) -> Tile:
    """Those that nobody has marked as seen."""
    unseen, title = now.unseen_losses, "Losses"
    if not unseen.records or unseen.last is None:
        facts = [f"{plural(now.losses, 'record')}, seen by people"] if now.losses else []
        return Tile("losses", title, "none is news" if facts else "nothing was lost", Mood.FINE, facts, links.to(Loss))
    age = utc_now() - unseen.last
    facts = [f"the last {seconds(age.total_seconds())} ago, {clock(unseen.last)}"]
    facts += [f"{plural(unseen.records, 'record')} that nobody has marked as seen"]
    mood = Mood.CRITICAL if age < GOES_ON else Mood.WARNING if age < NEWS else Mood.FINE
    return Tile("losses", title, _lost(unseen), mood, facts, links.to(Loss, seen="no"))


def _lost(unseen: UnseenLosses) -> str:
    if not unseen.events:
        return "events were lost"
    return f"{count(unseen.events)}{'+' * unseen.more} event{'s' * (unseen.more or unseen.events != 1)} lost"


def _refused(now: DatabaseStatus, links: Links) -> Tile:
    """Those that came since their kind was marked as seen."""
    unseen, title = now.unseen_refused, "Refused entries"
    if not unseen.entries or unseen.last is None:
        return Tile("refused", title, "none", Mood.FINE, [], links.to(Refusal))
    age = utc_now() - unseen.last
    facts = [f"the last {seconds(age.total_seconds())} ago, of {plural(unseen.kinds, 'kind')}"]
    mood = Mood.WARNING if age < NEWS else Mood.FINE
    return Tile("refused", title, f"{count(unseen.entries)} refused", mood, facts, links.to(Refusal, seen="no"))
