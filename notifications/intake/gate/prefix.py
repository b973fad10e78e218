"""Where the project's URLs have the intake: the gate takes one literal prefix, which nothing can shadow."""

from collections.abc import Mapping
from os.path import split
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import Resolver404, ResolverMatch, get_resolver, resolve
from django.urls.converters import StringConverter, get_converters
from django.utils.module_loading import import_string

from notifications.http.url_patterns import INTAKE
from notifications.intake.gate.literal_urls import Pattern, patterns
from notifications.intake.gate.middlewares import WHITENOISE

SOURCE: Final = "<str:source>"


class NoPrefix(Exception):
    """The view answers. `str()` says why."""


class Place(NamedTuple):
    """What the paths of all sources begin with, such as "/in/", and the route by what follows the name: "" or "/"."""

    prefix: str
    routes: Mapping[str, str]

    def match(self) -> ResolverMatch:
        """What the resolver finds for a source."""
        return ResolverMatch(import_string(INTAKE), (), {"source": "a"}, route=next(iter(self.routes.values())))


def intake_place() -> Place:
    """Raises NoPrefix, and what an import of URLs raises."""
    found = list(patterns(get_resolver()))
    view = import_string(INTAKE)
    ours = [pattern for pattern in found if pattern.view is view or pattern.name == INTAKE]
    place = _place_of(ours, view)
    last = max(at for at, pattern in enumerate(found) if pattern.view is view)
    for pattern in found[:last]:
        if pattern.view is not view and _may_match(pattern, place.prefix):
            raise NoPrefix(f"the pattern {pattern.route!r} is in front of the engine's URLs, and may match theirs")
    if not all(_leads_there(place, ending, view) for ending in place.routes):
        raise NoPrefix("the URLs do not lead to the intake as they are written")
    if WHITENOISE in settings.MIDDLEWARE and _has_files(place.prefix):
        raise NoPrefix(f"WhiteNoise may have files below {place.prefix}")
    return place


def _place_of(ours: list[Pattern], view: Any) -> Place:
    if any(pattern.view is not view for pattern in ours):
        raise NoPrefix("the view of the intake is decorated in the URLs")
    if any(pattern.has_extra for pattern in ours):
        raise NoPrefix("the URLs of the engine have arguments of their own")
    if any(pattern.text.translated for pattern in ours):
        raise NoPrefix("the URLs of the engine change with the language")
    routes = {pattern.route.removeprefix(pattern.text.start).removeprefix(SOURCE): pattern.route for pattern in ours}
    starts = {pattern.text.start for pattern in ours}
    if len(starts) > 1:
        raise NoPrefix("the URLs of the engine are included twice")
    if not starts or not routes.keys() <= {"", "/"} or type(get_converters()["str"]) is not StringConverter:
        raise NoPrefix("no literal text leads to the intake in the URLs")
    return Place(f"/{starts.pop()}", routes)


def _may_match(pattern: Pattern, prefix: str) -> bool:
    start = f"/{pattern.text.start}"
    if pattern.text.whole:
        return start.startswith(prefix) and start != prefix
    return start.startswith(prefix) or prefix.startswith(start)


def _leads_there(place: Place, ending: str, view: Any) -> bool:
    try:
        match = resolve(f"{place.prefix}a{ending}", settings.ROOT_URLCONF)
    except Resolver404:
        return False
    return (match.func, match.args, match.kwargs, match.route) == (view, (), {"source": "a"}, place.routes[ending])


def _has_files(prefix: str) -> bool:
    """Whether WhiteNoise, which answers before the view, can have a file at the address of a source."""
    static: str = getattr(settings, "WHITENOISE_STATIC_PREFIX", None) or urlsplit(settings.STATIC_URL or "").path
    static = f"/{static.strip('/')}/".replace("//", "/")
    if prefix.startswith(static) or static.startswith(prefix):
        return True
    root: str | Path | None = getattr(settings, "WHITENOISE_ROOT", None)
    if not root:
        return False
    parent, name = split(prefix)
    folder = Path(root, parent.strip("/"))
    return folder.exists() and (not name or any(each.name.startswith(name) for each in folder.iterdir()))
