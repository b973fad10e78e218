"""A list's filters as chips: what can be chosen, what is, and how many rows each choice has where that is cheap."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

#: Django's: filters with another template draw themselves.
PLAIN: Final = "admin/filter.html"
#: More choices than these are folded.
MANY: Final = 10


class Chip(NamedTuple):
    """A choice. `rows`: how many, as a text, or "" if counting would take long."""

    text: str
    address: str
    selected: bool
    rows: str


class Chips(NamedTuple):
    """A filter. `own`: what it draws itself, in place of chips. `chosen`: what is chosen, "" for all."""

    title: str
    chips: list[Chip]
    folded: bool
    chosen: str
    own: SafeString | str = ""


def chips_of(changelist: Any) -> list[Chips]:
    """For each filter of a list."""
    return [_chips(changelist, spec) for spec in changelist.filter_specs]


def _chips(changelist: Any, spec: Any) -> Chips:
    choices = list(spec.choices(changelist))
    if spec.template != PLAIN:
        own = render_to_string(spec.template, {"title": spec.title, "choices": choices, "spec": spec})
        return Chips(str(spec.title), [], folded=True, chosen=getattr(spec, "chosen_text", lambda: "")(), own=own)
    chips = list(_each(choices, _counts(changelist, spec)))
    chosen = next((chip.text for chip in chips[1:] if chip.selected), "")
    folded = getattr(spec, "folded", False) or len(chips) > MANY
    return Chips(str(spec.title), chips, folded=folded, chosen=chosen)


def _each(choices: Iterable[Any], counts: list[str]) -> Iterator[Chip]:
    for number, choice in enumerate(choices):
        count = counts[number] if number < len(counts) else ""
        yield Chip(str(choice["display"]), choice["query_string"], bool(choice["selected"]), count)


def _counts(changelist: Any, spec: Any) -> list[str]:
    """In the order of the choices, the first of which is "All"; none if another filter narrows the list down."""
    counts_of = getattr(spec, "counts", None)
    others = any(getattr(each, "value", str)() for each in changelist.filter_specs if each is not spec)
    if counts_of is None or others or changelist.query.strip():
        return []
    counts = counts_of()
    return ["", *(str(counts.get(str(value), "")) for value, _ in spec.lookup_choices)]
