"""Walks the patterns of the project's URLconf, and finds those of the intake."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from django.urls import LocalePrefixPattern, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

INTAKE: Final = "notifications.views.intake"


class Url(NamedTuple):
    """A pattern of the project: its view, its name with namespaces, and its route, if `path()` made all of it."""

    view: str
    name: str
    route: str | None
    is_localized: bool

    @property
    def text(self) -> str | None:
        """The route if it takes no arguments."""
        return None if self.route is None or "<" in self.route else self.route


def project_urls() -> list[Url]:
    """All patterns in order: the first that matches wins. Raises what an import of them raises."""
    return list(_walk(get_resolver(), "", [], is_localized=False))


def _walk(resolver: URLResolver, route: str | None, spaces: list[str], *, is_localized: bool) -> Iterator[Url]:
    for each in resolver.url_patterns:
        here = None if route is None or not isinstance(each.pattern, RoutePattern) else f"{route}{each.pattern}"
        if isinstance(each, URLPattern):
            yield Url(each.lookup_str, ":".join([*spaces, each.name or ""]), here, is_localized)
        elif isinstance(each, URLResolver):  # anything else Django's own checks report
            inner = [*spaces, each.namespace] if each.namespace else spaces
            localized = is_localized or isinstance(each.pattern, LocalePrefixPattern)
            yield from _walk(each, here, inner, is_localized=localized)
