"""Tiles: each thing that can go wrong in a few words, and the list that has its rows."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format

from notifications.admin.lists.body_view import visible
from notifications.admin.status.channel_tile import channels_tile
from notifications.admin.status.links import Links
from notifications.admin.status.machine_tiles import machine_tiles
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import count, plural, seconds
from notifications.models import FailedDelivery, Loss, Position, RawPayload, State
from notifications.models.states import WAITING
from notifications.status.channel_problems import GOES_ON, NEWS
from notifications.status.database import DatabaseStatus
from notifications.status.payload_problems import WAITS
from notifications.status.verdict import Verdict
from notifications.utils.times import utc_now


def tiles(found: Verdict, links: Links) -> list[Tile]:
    """What the verdict was found in, for who may see these lists. No query."""
    now = found.status
    if now.database is None:
        unknown = Tile("database", "Database", "does not answer", Mood.CRITICAL, [visible(now.database_problem)])
        return [unknown, *machine_tiles(found, links)]
    return [*_of_database(now.database, links), *machine_tiles(found, links)]


def _of_database(now: DatabaseStatus, links: Links) -> Iterator[Tile]:
    if links.may_see(RawPayload):
        yield _waiting(now, links)
        yield _dead(now, links)
        yield _quarantined(now, links)
    if links.may_see(Position):
        yield channels_tile(now.channels, links.to(Position))
    if links.may_see(FailedDelivery):
        yield _failed(now, links)
    if links.may_see(Loss):
        yield _losses(now, links)


def _waiting(now: DatabaseStatus, links: Links) -> Tile:
    counts = {state: now.payloads.get(state, 0) for state in WAITING}
    href, total = links.to(RawPayload, state=_first(counts)), sum(counts.values())
    if not total:
        return Tile("waiting", "Waiting", "nothing waits", Mood.FINE, [], href)
    names = {State.RECEIVED: "new", State.PROCESSING: "in hand", State.RETRYING: "to be retried"}
    facts = [", ".join(f"{counted(number, now.most)} {names[state]}" for state, number in counts.items() if number)]
    age = now.oldest_waiting
    late = age is not None and age >= WAITS
    if age is not None and age >= 1:
        since = clock(utc_now() - timedelta(seconds=age))
        facts.insert(0, f"the oldest{' too long,' * late} for {seconds(age)}, since {since}")
    state = f"{counted(total, now.most)} {'wait' if total > 1 else 'waits'}"
    return Tile("waiting", "Waiting", state, Mood.WARNING if late else Mood.FINE, facts, href)


def _first(counts: dict[State, int]) -> str:
    """The state with rows that the list is to show."""
    return next((state for state, number in counts.items() if number), State.RECEIVED)


def _dead(now: DatabaseStatus, links: Links) -> Tile:
    dead = now.payloads.get(State.DEAD, 0)
    muted = dead - now.dead_unmuted
    facts = [f"{counted(muted, now.most)} of muted failure groups"] if muted else []
    mood = Mood.WARNING if now.dead_unmuted else Mood.FINE
    facts = ["nothing tries them again", *facts] if now.dead_unmuted else facts
    return Tile("dead", "Dead", _number(dead, now.most, "dead"), mood, facts, links.to(RawPayload, state=State.DEAD))


def _quarantined(now: DatabaseStatus, links: Links) -> Tile:
    number = now.payloads.get(State.QUARANTINED, 0)
    mood = Mood.WARNING if number else Mood.FINE
    facts = [f"{counted(now.other_bytes, now.most)} with other bytes under a used key"] if now.other_bytes else []
    href = links.to(RawPayload, state=State.QUARANTINED)
    return Tile("quarantined", "Quarantine", _number(number, now.most, "in quarantine"), mood, facts, href)


def _failed(now: DatabaseStatus, links: Links) -> Tile:
    number = now.failed_deliveries - now.failed_again
    mood = Mood.WARNING if number > 0 else Mood.FINE
    facts = [", ".join(map(visible, now.failed))] if number > 0 else []
    facts += [f"{count(now.failed_again)} to be sent again"] if now.failed_again else []
    query = {"again": "no"} if number > 0 else {}
    state = f"{count(number)} failed for good" if number > 0 else "none"
    return Tile("failed", "Failed deliveries", state, mood, facts, links.to(FailedDelivery, **query))


def _losses(now: DatabaseStatus, links: Links) -> Tile:
    href = links.to(Loss)
    if not now.losses:
        return Tile("losses", "Losses", "nothing was lost", Mood.FINE, [], href)
    events = f"{count(now.lost_events)}{'+' * now.lost_more} events" if now.lost_events else "nobody knows how many"
    age = None if now.last_loss is None else utc_now() - now.last_loss
    facts = [f"{events}, in {plural(now.losses, 'record')}"]
    if age is None or age > NEWS:
        return Tile("losses", "Losses", "none in the last 7 days", Mood.FINE, [f"before that {facts[0]}"], href)
    facts.insert(0, f"the last {seconds(age.total_seconds())} ago")
    if age < GOES_ON:
        return Tile("losses", "Losses", "lost within the hour", Mood.CRITICAL, facts, href)
    return Tile("losses", "Losses", "lost within 7 days", Mood.WARNING, facts, href)


def _number(number: int, most: int, what: str) -> str:
    return f"{counted(number, most)} {what}" if number else "none"


def counted(number: int, most: int) -> str:
    """A count that stopped at `most` is at least that."""
    return f"at least {count(number)}" if number >= most else count(number)


def clock(moment: datetime) -> str:
    """Local time, with the date if it is not today."""
    local = timezone.localtime(moment)
    return date_format(local, "H:i" if local.date() == timezone.localdate(utc_now()) else "j M H:i")
