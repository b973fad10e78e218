"""The parts of the admin's lists: Django's own tags, with our templates."""

import re
from collections.abc import Iterator
from typing import Any, Final

from django.contrib.admin.templatetags import admin_list
from django.template import Library, RequestContext
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register: Final = Library()
#: The start of a cell, as Django writes it.
CELL: Final = re.compile(r"<(t[dh])(?=[ >])")


@register.inclusion_tag("notifications/admin/search_form.html")
def list_search(cl: Any) -> dict[str, Any]:
    """The form to search a list."""
    return admin_list.search_form(cl)


@register.inclusion_tag("notifications/admin/chips.html")
def list_chips(cl: Any) -> dict[str, Any]:
    """The filters of a list."""
    return {"cl": cl, "filters": cl.chips}


@register.inclusion_tag("notifications/admin/actions.html", takes_context=True)
def list_actions(context: RequestContext) -> Any:
    """The choice of an action."""
    return admin_list.admin_actions(context)


@register.inclusion_tag("notifications/admin/results.html")
def list_results(cl: Any) -> dict[str, Any]:
    """The table, each cell with the name of its column: on a phone a row is a card."""
    context: dict[str, Any] = admin_list.result_list(cl)
    names = [_name(header) for header in context["result_headers"]]
    return context | {"rows": [list(_cells(row, names)) for row in context["results"]]}


@register.inclusion_tag("notifications/admin/pagination.html")
def list_pages(cl: Any) -> dict[str, Any]:
    """The way to other pages."""
    return admin_list.pagination(cl)


def _name(header: Any) -> str:
    """What the column is called; "" for the one of check boxes."""
    return "" if "action-checkbox-column" in header["class_attrib"] else capfirst(str(header["text"]))


def _cells(row: Any, names: list[str]) -> Iterator[SafeString]:
    for cell, name in zip(row, names, strict=False):
        start = CELL.match(cell)
        if start is None:
            yield cell
            continue
        role = format_html(' role="{}"', "rowheader" if start[1] == "th" else "cell")
        label = format_html(' data-label="{}"', name) if name else ""
        yield mark_safe(f"{start[0]}{role}{label}{cell[start.end() :]}")  # noqa: S308  Django's cell, and ours of it
