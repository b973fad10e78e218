"""Values as the pages show them."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.utils import durations, graphemes
from notifications.utils.times import utc_now

EMPTY: Final = "–"
#: Characters of a text that a list loads from the database, and that it shows.
LOADED: Final = 500
SHOWN: Final = 160


def text(name: str, description: str = "") -> Callable[[Any], str]:
    """A field or column for the untrusted text in attribute `name`."""

    @admin.display(description=description or name.replace("_", " "))
    def show(obj: Any) -> str:
        return visible(str(getattr(obj, name))) or EMPTY

    show.__name__ = name
    return show


def block(name: str, description: str = "") -> Callable[[Any], SafeString | str]:
    """A field for a multi-line text, such as a traceback."""

    @admin.display(description=description or name.replace("_", " "))
    def show(obj: Any) -> SafeString | str:
        return pre(getattr(obj, name))

    show.__name__ = name
    return show


def moment(name: str) -> Callable[[Any], str]:
    """A field for a time, to the second, and how far it is from now."""

    @admin.display(description=name.replace("_", " "))
    def show(obj: Any) -> str:
        then = getattr(obj, name)
        return EMPTY if then is None else when(then)

    show.__name__ = name
    return show


def pretty(name: str) -> Callable[[Any], SafeString | str]:
    """A field for JSON data."""

    @admin.display(description=name.replace("_", " "))
    def show(obj: Any) -> SafeString | str:
        return pre(json.dumps(getattr(obj, name), indent=2, ensure_ascii=False))

    show.__name__ = name
    return show


def pre(value: str) -> SafeString | str:
    return format_html('<pre class="raw" tabindex="0">{}</pre>', visible(value)) if value else EMPTY


def last_line(value: str) -> str:
    """The last line of a traceback, its reason, cut to fit into a list."""
    return _cut(value.rstrip().rpartition("\n")[2])


def last_loaded_line(end: str) -> str:
    """The last line of a text of which the last LOADED characters were loaded."""
    is_cut = len(end) == LOADED and "\n" not in end.rstrip()
    return f"{'…' if is_cut else ''}{last_line(end)}"


def first_line(value: str) -> str:
    """The first line of a text, cut to fit into a list."""
    return _cut(value.lstrip().partition("\n")[0])


def _cut(line: str) -> str:
    return visible(graphemes.first(line, SHOWN, "…"))


def unbroken(text: str) -> str:
    """The text with no-break spaces: it stays on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """A duration in the largest unit that fits."""
    return unbroken(durations.duration(seconds))


def since(then: datetime | None) -> SafeString | str:
    """How long ago, with the exact time as a tooltip."""
    if then is None:
        return EMPTY
    ago = duration((utc_now() - then).total_seconds())
    return format_html('<time datetime="{}" title="{}">{}</time>', then.isoformat(), exact(then), ago)


def when(then: datetime) -> str:
    """A time to the second, and how far it is from now."""
    distance = (utc_now() - then).total_seconds()
    ago = f"{duration(distance)} ago" if distance >= 0 else f"in {duration(-distance)}"
    return f"{exact(then)} ({ago})"


def exact(then: datetime) -> str:
    """A time to the second, in the project's time zone."""
    return date_format(timezone.localtime(then), "Y-m-d H:i:s T")
