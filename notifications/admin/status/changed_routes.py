"""The tile of response times, and the choice of routes that it opens: those that became slower, or faster."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from notifications.admin.lists.filter_chips import Chip
from notifications.admin.status.periods import Period
from notifications.admin.status.routes import Route
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import count, plural

#: Values of `?routes=`, what they are called, and the kind of change that they are.
CHOICES: Final = {"": ("All", None), "slower": ("Slower", "worse"), "faster": ("Faster", "better")}
#: Routes that the tile names.
NAMED: Final = 3
#: Where the table is.
PLACE: Final = "#group-routes"


def chosen(routes: Sequence[Route], choice: str) -> list[Route]:
    """Those of a choice; all of one that there is not."""
    _, kind = CHOICES.get(choice, CHOICES[""])
    return [each for each in routes if kind in (None, each.change.kind)]


def chips(routes: Sequence[Route], choice: str, period: Period) -> list[Chip]:
    """Each choice with the number of its routes."""
    current = choice if choice in CHOICES else ""
    return [
        Chip(text, address(period, value), value == current, count(len(chosen(routes, value))))
        for value, (text, _) in CHOICES.items()
    ]


def address(period: Period, choice: str) -> str:
    """The table of these routes, on the page of a period."""
    query = {"period": period.key} | ({"routes": choice} if choice else {})
    return f"?{urlencode(query)}{PLACE}"


def times_tile(routes: Sequence[Route], period: Period) -> Tile:
    """Which routes became slower than in the period before. `routes` has the slowest first."""
    slower, faster = chosen(routes, "slower"), chosen(routes, "faster")
    facts = [
        f"{each.name}: {each.change.words}, p99 {each.change.before} → {each.change.now}" for each in slower[:NAMED]
    ]
    facts += [f"and {count(len(slower) - NAMED)} more"] if len(slower) > NAMED else []
    facts += [f"{plural(len(faster), 'route')} faster"] if faster else []
    facts += [f"slowest: {each.name}, p99 {each.change.now}" for each in routes[:1] if each not in slower[:NAMED]]
    compared = sum(each.change.is_known for each in routes)
    facts.append(f"{plural(compared, 'route')} compared with {period.before}")
    if slower:
        return _tile(f"{plural(len(slower), 'route')} slower", Mood.WARNING, facts, address(period, "slower"))
    if not compared:
        unknown = f"too few requests to compare with {period.before}"
        return _tile("not known yet", Mood.UNKNOWN, [unknown], address(period, ""))
    return _tile("no route slower", Mood.FINE, facts, address(period, ""))


def _tile(state: str, mood: Mood, facts: list[str], href: str) -> Tile:
    return Tile("times", "Response times", state, mood, facts, href)
