"""Tiles: each thing that can go wrong in a few words, and the list that has its rows."""

from collections.abc import Iterator
from datetime import timedelta

from notifications.admin.lists.body_view import visible
from notifications.admin.status.event_tiles import event_tiles
from notifications.admin.status.links import Links
from notifications.admin.status.machine_tiles import machine_tiles
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import count
from notifications.models import RawPayload, State
from notifications.models.states import WAITING
from notifications.status.database import DatabaseStatus
from notifications.status.payload_problems import WAITS
from notifications.status.since import since
from notifications.status.verdict import Verdict
from notifications.utils.times import utc_now


def tiles(found: Verdict, links: Links) -> list[Tile]:
    """What the verdict was found in, for who may see these lists. No query."""
    now = found.status
    if now.database is None:
        unknown = Tile("database", "Database", "does not answer", Mood.CRITICAL, [visible(now.database_problem)])
        return [unknown, *machine_tiles(found, links)]
    of_events = event_tiles(now.database, links, found.problems)
    is_worked_off = all(each.name != "process-raw-dead" or each.elsewhere for each in found.problems)
    return [*_of_payloads(now.database, links, is_worked_off=is_worked_off), *of_events, *machine_tiles(found, links)]


def _of_payloads(now: DatabaseStatus, links: Links, *, is_worked_off: bool) -> Iterator[Tile]:
    if links.may_see(RawPayload):
        yield _waiting(now, links, is_worked_off=is_worked_off)
        yield _dead(now, links)
        yield _quarantined(now, links)


def _waiting(now: DatabaseStatus, links: Links, *, is_worked_off: bool) -> Tile:
    counts = {state: now.payloads.get(state, 0) for state in WAITING}
    href, total = links.to(RawPayload, state=_first(counts)), sum(counts.values())
    if not total:
        return Tile("waiting", "Waiting", "nothing waits", Mood.FINE, [], href)
    names = {State.RECEIVED: "new", State.PROCESSING: "in hand", State.RETRYING: "to be retried"}
    facts = [", ".join(f"{counted(number, now.most)} {names[state]}" for state, number in counts.items() if number)]
    age = now.oldest_waiting
    late = age is not None and age >= WAITS
    if age is not None and age >= 1:
        facts.insert(0, f"oldest {since(utc_now() - timedelta(seconds=age))}{', too long' * late}")
    state = f"{counted(total, now.most)} payload{'s wait' if total > 1 else ' waits'}"
    mood = Mood.FINE if is_worked_off and not late else Mood.WARNING
    return Tile("waiting", "Waiting", state, mood, facts, href)


def _first(counts: dict[State, int]) -> str:
    """The state with rows that the list is to show."""
    return next((state for state, number in counts.items() if number), State.RECEIVED)


def _dead(now: DatabaseStatus, links: Links) -> Tile:
    dead = now.payloads.get(State.DEAD, 0)
    known = dead - now.dead_open
    facts = [f"nothing tries {'it' if dead == 1 else 'them'} again"] if now.dead_open else []
    facts += [f"{counted(known, now.most)} of muted or resolved failure groups"] if known else []
    mood = Mood.WARNING if now.dead_open else Mood.FINE
    return Tile("dead", "Dead", _number(dead, now.most, "dead"), mood, facts, links.to(RawPayload, state=State.DEAD))


def _quarantined(now: DatabaseStatus, links: Links) -> Tile:
    number = now.payloads.get(State.QUARANTINED, 0)
    mood = Mood.WARNING if number else Mood.FINE
    facts = [f"{counted(now.other_bytes, now.most)} with other bytes under a used key"] if now.other_bytes else []
    href = links.to(RawPayload, state=State.QUARANTINED)
    return Tile("quarantined", "Quarantine", _number(number, now.most, "in quarantine"), mood, facts, href)


def _number(number: int, most: int, what: str) -> str:
    return f"{counted(number, most)} {what}" if number else "none"


def counted(number: int, most: int) -> str:
    """A count that stopped at `most` is at least that."""
    return f"at least {count(number)}" if number >= most else count(number)
