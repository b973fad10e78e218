"""Markup that is repeated for each slot of each chart, and each route: a template takes ten times as long.

Each text goes through `escape`, as a template would have it; places are numbers of ours.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from notifications.admin.status.marks import Text
from notifications.admin.status.routes import Route

#: A row of the table of routes. At the width of a phone each cell says what it is.
ROUTE: Final = (
    '<tr><th scope="row">{}</th><td data-label="Requests">{}</td><td data-label="Errors">{}</td>'
    '<td data-label="p50">{}</td><td data-label="p99">{}</td><td data-label="p99 before">{}</td>'
    '<td data-label="Difference"><span class="change {}">{}</span></td></tr>'
)
TICK: Final = (
    '<line class="tick" x1="{0}" x2="{0}" y1="158" y2="162"/><text x="{0}" y="177" text-anchor="{2}">{1}</text>'
)
MARK: Final = (
    '<line class="mark" x1="{0}" x2="{0}" y1="4" y2="158"/>'
    '<text class="mark-name" x="{0}" dx="{3}" y="12" text-anchor="{2}">{1}</text>'
)
#: Between cells, and between texts of slots, while they are escaped together. Neither has it.
CELL_END: Final = "\n"
TEXT_END: Final = "\x1f"


class Slot(NamedTuple):
    """A slot of time. `text` has its figures for the mouse, `cells` for the table. `href`: the list of what came in it.

    `x`: where it begins, in percent.
    """

    x: str
    name: str
    href: str
    cells: Sequence[str]
    text: str


def hits(slots: Sequence[Slot], width: str) -> SafeString:
    """Invisible places in the drawing, each with its figures as a tooltip."""
    texts = escape(TEXT_END.join(slot.text for slot in slots)).split(TEXT_END)
    return mark_safe("".join(map(_hit, slots, texts, [width] * len(slots))))  # noqa: S308  escaped here and below


def _hit(slot: Slot, escaped: str, width: str) -> str:
    place = f'<rect x="{slot.x}" y="18" width="{width}" height="140"><title>{escaped}</title></rect>'
    return f'<a href="{escape(slot.href)}" tabindex="-1">{place}</a>' if slot.href else place


def time_axis(ticks: Iterable[Text], marks: Iterable[Text]) -> SafeString:
    """What charts of one window have in common: times below them, and where releases began."""
    beside = ((*mark, "-4" if mark.anchor == "end" else "4") for mark in marks)
    return format_html("{}\n{}", format_html_join("", TICK, ticks), format_html_join("", MARK, beside))


def rows(slots: Iterable[Slot]) -> SafeString:
    """Rows of the table."""
    return mark_safe("".join(map(_row, slots)))  # noqa: S308  escaped below


def _row(slot: Slot) -> str:
    cells, name = escape(CELL_END.join(slot.cells)).replace(CELL_END, "</td><td>"), escape(slot.name)
    head = f'<a href="{escape(slot.href)}">{name}</a>' if slot.href else name
    return f'<tr><th scope="row">{head}</th><td>{cells}</td></tr>'


def route_rows(routes: Iterable[Route]) -> SafeString:
    """Rows of the table of routes."""
    return mark_safe("".join(map(_route, routes)))  # noqa: S308  escaped below


def _route(route: Route) -> str:
    change = route.change
    times = (route.p50, change.now, change.before, change.kind, change.words)
    return ROUTE.format(*map(escape, (route.name, route.counted, route.failed, *times)))


def unbroken(text: str) -> SafeString:
    """Text as markup in which no line ends within the name of an option."""
    words = (
        f'<span class="option">{escape(word)}</span>' if word.startswith("--") else escape(word)
        for word in text.split(" ")
    )
    return mark_safe(" ".join(words))  # noqa: S308  escaped above
