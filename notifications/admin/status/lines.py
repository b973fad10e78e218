"""Which lines a chart has: of all labels those that say most."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.status.drawing import Values
from notifications.admin.status.figures import P99, Figures
from notifications.admin.status.routes import FEW, Route

#: Lines that can be told apart.
MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `kind`: the CSS class of its colour, where that means something; else its number decides."""

    name: str
    values: Values
    href: str = ""
    kind: str = ""


def by_label(
    figures: Figures, name: str, values: Callable[[str, str], list[float | None]], href: Callable[[str], str]
) -> tuple[list[Line], int]:
    """A line for each label, at most MOST: those with the highest sums. How many are left out."""
    lines = [Line(visible(label) or "–", values(name, label), href(label)) for label in figures.labels(name)]
    with_any = [line for line in lines if any(value is not None for value in line.values)]
    chosen = sorted(with_any, key=lambda line: (-sum(value or 0 for value in line.values), line.name))
    return sorted(chosen[:MOST], key=lambda line: line.name), max(len(chosen) - MOST, 0)


def busiest(found: list[Route]) -> list[str]:
    """The labels of the routes with most requests, by name."""
    return sorted(each.label for each in sorted(found, key=lambda each: (-each.requests, each.label))[:MOST])


def slowest(found: list[Route]) -> list[str]:
    """The labels of the routes with the highest p99, by name; not of those with few requests, if others are there."""
    sure = [each for each in found if each.requests >= FEW] or found
    return sorted(each.label for each in sure[:MOST])


def of_routes(figures: Figures, labels: list[str], share: float = P99) -> list[Line]:
    """The times of these routes."""
    return [Line(visible(label), figures.quantiles("requests", label, share)) for label in labels]
