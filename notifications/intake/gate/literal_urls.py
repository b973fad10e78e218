"""The patterns of the project's URLconf, and what is certain of the paths that each of them matches.

What cannot be decided from the text alone counts as one that may match anything.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.urls import LocalePrefixPattern, URLPattern, URLResolver
from django.urls.resolvers import RegexPattern, RoutePattern

#: What a regular expression says literally, and the rest.
LITERAL: Final = re.compile(r"\^([A-Za-z0-9_/-]*)(.*)", re.DOTALL)


class Text(NamedTuple):
    """What each matching path begins with, after the first slash; `whole`: no other path matches."""

    start: str
    whole: bool
    #: Whether it changes with the language.
    translated: bool = False


class Pattern(NamedTuple):
    """One that leads to a view. `route` is as written, in words for people if `path()` did not make all of it."""

    view: Any
    name: str
    route: str
    text: Text
    #: Whether the view gets more than the arguments of its route.
    has_extra: bool


def patterns(resolver: URLResolver) -> Iterator[Pattern]:
    """All of them in order: the first that matches wins. Raises what an import of them raises."""
    yield from _walk(resolver, "", Text("", whole=True), has_extra=False)


def _walk(resolver: URLResolver, route: str, before: Text, *, has_extra: bool) -> Iterator[Pattern]:
    for each in resolver.url_patterns:
        if type(each) not in {URLPattern, URLResolver}:  # a subclass matches in its own way
            text = Text(before.start, whole=False, translated=before.translated)
            yield Pattern(None, type(each).__name__, f"{route}{type(each).__name__}", text, has_extra=True)
        elif isinstance(each, URLPattern):
            text, here = _joined(before, each.pattern, is_last=True), f"{route}{each.pattern}"
            yield Pattern(each.callback, each.lookup_str, here, text, has_extra or bool(each.default_args))
        else:
            text, extra = _joined(before, each.pattern, is_last=False), has_extra or bool(each.default_kwargs)
            yield from _walk(each, f"{route}{each.pattern}", text, has_extra=extra)


def _joined(before: Text, pattern: Any, *, is_last: bool) -> Text:
    if not before.whole:
        return before._replace(translated=before.translated or _is_translated(pattern))
    own = _text_of(pattern, is_last=is_last)
    return own._replace(start=before.start + own.start, translated=before.translated or own.translated)


def _text_of(pattern: Any, *, is_last: bool) -> Text:
    if _is_translated(pattern):
        return Text("", whole=False, translated=True)
    written = _written(pattern)
    if type(pattern) is RoutePattern:
        start, argument, _ = written.partition("<")
        return Text(start, whole=not argument)
    found = LITERAL.fullmatch(written) if type(pattern) is RegexPattern else None
    if found is None or "|" in written:
        return Text("", whole=False)
    start, rest = found.groups()
    if rest in {"$", r"\Z"} or (not rest and not is_last):
        return Text(start, whole=True)
    return Text(start[:-1] if rest[:1] in {"?", "*", "+", "{"} else start, whole=False)


def _is_translated(pattern: Any) -> bool:
    """Django keeps a lazy text as it is, and asks for the language of the thread at each request."""
    return isinstance(pattern, LocalePrefixPattern) or not isinstance(_written(pattern), str)


def _written(pattern: Any) -> Any:
    return getattr(pattern, "_route", getattr(pattern, "_regex", ""))
