"""Which lines a chart has: of all labels those that say most. One that is in several charts looks alike in all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.drawing import Values
from notifications.admin.status.gauges import Latest
from notifications.admin.status.routes import FEW, Route

#: Lines that can be told apart.
MOST: Final = 5
LETTERS: Final = "ABCDEFGHIJ"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `number`: which letter, colour and dashes it has, from 0. `kind`: the CSS class of another colour.

    `latest`: of a gauge.
    """

    name: str
    values: Values
    href: str = ""
    number: int = 0
    kind: str = ""
    latest: Latest | None = None

    @property
    def letter(self) -> str:
        """What it is called in the drawing."""
        return LETTERS[self.number % len(LETTERS)]


def by_label(
    labels: Sequence[str],
    values: Callable[[str], list[float | None]],
    href: Callable[[str], str] = lambda _: "",
    latest: Callable[[str], Latest | None] = lambda _: None,
) -> tuple[list[Line], int]:
    """A line for each label, at most MOST: those with the highest sums; and how many labels are left out.

    Of more labels than there are letters only the chosen ones have one.
    """
    lines = [
        Line(visible(label), values(label), href(label), number, latest=latest(label))
        for number, label in enumerate(sorted(labels))
    ]
    if len(lines) <= MOST:
        return lines, 0
    chosen = sorted(lines, key=lambda line: -sum(value or 0 for value in line.values))[:MOST]
    found = sorted(chosen, key=lambda line: line.number)
    if len(lines) > len(LETTERS):
        found = [replace(line, number=number) for number, line in enumerate(found)]
    return found, len(lines) - MOST


def busiest(found: Iterable[Route]) -> list[str]:
    """The labels of the routes with most requests, by name."""
    return sorted(each.label for each in sorted(found, key=lambda each: (-each.requests, each.label))[:MOST])


def slowest(found: Sequence[Route]) -> list[str]:
    """The labels of the routes with the highest p99, by name; not of those with few requests, if others are there."""
    sure = [each for each in found if each.requests >= FEW] or found
    return sorted(each.label for each in sure[:MOST])


def of_routes(labels: Sequence[str], values: Callable[[str], list[float | None]], known: Sequence[str]) -> list[Line]:
    """A line for each of these routes. `known`: all routes that are drawn, in the order of their letters."""
    return [Line(visible(label), values(label), number=known.index(label)) for label in sorted(labels, key=known.index)]
